/** A connection that sends whatever bytes it likes. */

import type { Home } from "./home.ts";

export class RawPeer implements Disposable {
  #text = "";

  private constructor(private readonly connection: Deno.Conn) {}

  static async connect(home: Home): Promise<RawPeer> {
    return new RawPeer(await Deno.connect({ transport: "unix", path: home.socket }));
  }

  async send(text: string | Uint8Array): Promise<void> {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.connection.write(bytes.subarray(sent));
    }
  }

  /** The next message; undefined when the connection is closed. */
  async receive(): Promise<any> {
    const buffer = new Uint8Array(65536);
    while (!this.#text.includes("\0")) {
      const count = await this.connection.read(buffer).catch(() => null);
      if (count === null) return undefined;
      this.#text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    const end = this.#text.indexOf("\0");
    const message = JSON.parse(this.#text.slice(0, end));
    this.#text = this.#text.slice(end + 1);
    return message;
  }

  async ask(message: unknown): Promise<any> {
    await this.send(JSON.stringify(message) + "\0");
    return await this.receive();
  }

  /** Sends no more, and still listens. */
  async end(): Promise<void> {
    await this.connection.closeWrite();
  }

  [Symbol.dispose](): void {
    try {
      this.connection.close();
    } catch {
      // It is closed.
    }
  }
}
