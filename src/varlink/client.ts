/** A small Varlink client for one connection: calls may be pipelined, replies come in their order. */

import { messageText, parseMessage, Splitter } from "./framing.ts";
import { INTERFACE_NAME, type Methods } from "./interface.ts";

/** The service has refused a call. `name` without the interface's own, as `NoSuchJob`. */
export class VarlinkError extends Error {
  constructor(override readonly name: string, readonly parameters: Record<string, unknown>) {
    super(name);
  }
}

/** Nobody answers at the socket, or the connection broke before the answer. */
export class NoSupervisor extends Error {
  constructor(readonly path: string, cause: string) {
    super(`no supervisor answers at ${path}: ${cause}`);
    this.name = "NoSupervisor";
  }
}

/** A reply holds at most a page of 1,000 jobs with their environments. */
const MAX_REPLY_BYTES = 1 << 30;
const READ_BYTES = 1 << 16;
/** Replies of a stream that nobody has asked for yet, before no more are read. */
const MAX_UNREAD_REPLIES = 64;

const encoder = new TextEncoder();

interface Reply {
  parameters?: Record<string, unknown>;
  continues?: boolean;
  error?: string;
}

interface Pending {
  take(reply: Reply): void;
  fail(error: Error): void;
  /** Resolves when a stream has room again; absent for a single reply. */
  hasRoom?(): Promise<void>;
}

export class Client {
  #pending: Pending[] = [];
  #lost?: NoSupervisor;
  #unsent: string[] = [];
  #isWriting = false;

  private constructor(private readonly path: string, private readonly connection: Deno.Conn) {
    this.#read();
  }

  /** Throws NoSupervisor, and Deno.errors.PermissionDenied. */
  static async connect(path: string): Promise<Client> {
    try {
      return new Client(path, await Deno.connect({ transport: "unix", path }));
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) throw error;
      throw new NoSupervisor(path, (error as Error).message);
    }
  }

  /** Throws VarlinkError, NoSupervisor. */
  call<M extends keyof Methods>(method: M, parameters: Methods[M][0]): Promise<Methods[M][1]> {
    return this.raw(`${INTERFACE_NAME}.${method}`, parameters) as Promise<Methods[M][1]>;
  }

  /** Calls a method by its full name. */
  raw(method: string, parameters: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#send({ method, parameters }, {
        take: ({ error, parameters }) =>
          error ? reject(failure(error, parameters)) : resolve(parameters ?? {}),
        fail: reject,
      });
    });
  }

  /**
   * The replies of a streaming method. Ends with the stream; throws as `call` does. What is not
   * asked for is left unread. Leaving before the end closes the connection: Varlink has no other
   * way to stop a stream.
   */
  async *stream<M extends keyof Methods>(
    method: M,
    parameters: Methods[M][0],
  ): AsyncGenerator<Methods[M][1]> {
    const inbox = new Inbox();
    this.#send({ method: `${INTERFACE_NAME}.${method}`, parameters, more: true }, inbox);
    let isOpen = true;
    try {
      while (isOpen) {
        const reply = await inbox.next();
        isOpen = reply.continues === true;
        if (reply.error) throw failure(reply.error, reply.parameters);
        yield (reply.parameters ?? {}) as Methods[M][1];
      }
    } finally {
      if (isOpen) this.close();
    }
  }

  close(): void {
    this.#lose("closed");
  }

  #send(message: object, pending: Pending): void {
    if (this.#lost) return pending.fail(this.#lost);
    this.#pending.push(pending);
    this.#unsent.push(messageText(message));
    if (this.#isWriting) return;
    this.#isWriting = true;
    // Calls made in one turn leave in one write.
    queueMicrotask(() => void this.#write());
  }

  async #write(): Promise<void> {
    try {
      while (this.#unsent.length > 0) {
        const bytes = encoder.encode(this.#unsent.splice(0).join(""));
        for (let sent = 0; sent < bytes.length;) {
          sent += await this.connection.write(bytes.subarray(sent));
        }
      }
    } catch {
      // The other side is closed, and may have said why: reading finds out, and tells the callers.
    }
    this.#isWriting = false;
  }

  async #read(): Promise<void> {
    const splitter = new Splitter(MAX_REPLY_BYTES);
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const count = await this.connection.read(buffer);
        if (count === null) return this.#lose("it closed the connection");
        for (const bytes of splitter.push(buffer.subarray(0, count))) {
          this.#take(parseMessage(bytes));
        }
        await this.#pending[0]?.hasRoom?.();
      }
    } catch (error) {
      this.#lose((error as Error).message);
    }
  }

  #take(reply: Reply): void {
    const pending = reply.continues ? this.#pending[0] : this.#pending.shift();
    pending?.take(reply);
  }

  #lose(cause: string): void {
    if (this.#lost) return;
    this.#lost = new NoSupervisor(this.path, cause);
    for (const pending of this.#pending.splice(0)) pending.fail(this.#lost);
    try {
      this.connection.close();
    } catch {
      // The runtime has closed it already.
    }
  }
}

/** Replies of a stream between the socket and the reader. */
class Inbox implements Pending {
  #replies: Reply[] = [];
  #error?: Error;
  #wakeReader?: () => void;
  #wakeSocket?: () => void;

  take(reply: Reply): void {
    this.#replies.push(reply);
    this.#wakeReader?.();
  }

  fail(error: Error): void {
    this.#error = error;
    this.#wakeReader?.();
    this.#wakeSocket?.();
  }

  hasRoom(): Promise<void> {
    if (this.#error || this.#replies.length < MAX_UNREAD_REPLIES) return Promise.resolve();
    return new Promise((resolve) => this.#wakeSocket = resolve);
  }

  /** What has arrived comes before the error that ended it. */
  async next(): Promise<Reply> {
    while (this.#replies.length === 0) {
      if (this.#error) throw this.#error;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    const reply = this.#replies.shift()!;
    if (this.#replies.length < MAX_UNREAD_REPLIES) this.#wakeSocket?.();
    return reply;
  }
}

function failure(error: string, parameters: Record<string, unknown> = {}): VarlinkError {
  return new VarlinkError(error.slice(error.lastIndexOf(".") + 1), parameters);
}
