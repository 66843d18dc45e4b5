/** A small Varlink client for one connection: calls may be pipelined, replies come in their order. */

import { encodeMessage, parseMessage, Splitter } from "./framing.ts";
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

interface Reply {
  parameters?: Record<string, unknown>;
  continues?: boolean;
  error?: string;
}

interface Pending {
  take(reply: Reply): void;
  fail(error: Error): void;
}

export class Client {
  #pending: Pending[] = [];
  #lost?: NoSupervisor;
  #writing: Promise<void> = Promise.resolve();

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

  /** The replies of a streaming method. Ends with the stream; throws as `call` does. */
  async *stream<M extends keyof Methods>(
    method: M,
    parameters: Methods[M][0],
  ): AsyncGenerator<Methods[M][1]> {
    const replies: (Reply | Error)[] = [];
    let wake = () => {};
    const arrived = (item: Reply | Error) => {
      replies.push(item);
      wake();
    };
    const message = { method: `${INTERFACE_NAME}.${method}`, parameters, more: true };
    this.#send(message, { take: arrived, fail: arrived });
    for (;;) {
      const reply = replies.shift();
      if (!reply) {
        await new Promise<void>((resolve) => wake = resolve);
        continue;
      }
      if (reply instanceof Error) throw reply;
      if (reply.error) throw failure(reply.error, reply.parameters);
      yield (reply.parameters ?? {}) as Methods[M][1];
      if (!reply.continues) return;
    }
  }

  close(): void {
    this.#lose("closed");
  }

  #send(message: object, pending: Pending): void {
    if (this.#lost) return pending.fail(this.#lost);
    this.#pending.push(pending);
    const bytes = encodeMessage(message);
    this.#writing = this.#writing.then(() => this.#write(bytes)).catch(() => this.#lose("broken"));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.connection.write(bytes.subarray(sent));
    }
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

function failure(error: string, parameters: Record<string, unknown> = {}): VarlinkError {
  return new VarlinkError(error.slice(error.lastIndexOf(".") + 1), parameters);
}
