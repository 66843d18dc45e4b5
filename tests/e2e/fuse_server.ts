/**
 * A file system with one executable file, `tool`, spoken over /dev/fuse without a library, so that a
 * test can have one that does not answer: it stops this process. Run as root with the place to mount
 * at; with --try behind it, it only says by its exit code whether it can.
 */

const libc = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  mount: { parameters: ["buffer", "buffer", "buffer", "u64", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
}).symbols;

/** linux/fuse.h */
const FORGET = 2, BATCH_FORGET = 42, INTERRUPT = 36;
const LOOKUP = 1, GETATTR = 3, OPEN = 14, READ = 15, RELEASE = 18, FLUSH = 25, INIT = 26;
const OPENDIR = 27, READDIR = 28, RELEASEDIR = 29;
const IN_HEADER = 40, OUT_HEADER = 16, REQUEST_BYTES = 1 << 17;
const ENOENT = -2, ENOSYS = -38;
const ROOT = 1n, TOOL = 2n;
const DIRECTORY_MODE = 0o040755, TOOL_MODE = 0o100755;
const CONTENT = new TextEncoder().encode("#!/bin/sh\necho it runs\n");

type Reply = Uint8Array<ArrayBuffer> | number;

function answer(opcode: number, node: bigint, body: DataView): Reply {
  switch (opcode) {
    case INIT:
      return words(7, 12, 0, 0, 0, 1 << 16); // version 7.12, the last with a reply of 24 bytes
    case LOOKUP:
      return nameIn(body) === "tool"
        ? join(words(2, 0, 0, 0, 0, 0, 0, 0, 0, 0), attributes(TOOL))
        : ENOENT;
    case GETATTR:
      return join(words(0, 0, 0, 0), attributes(node));
    case OPEN:
    case OPENDIR:
      return words(0, 0, 0, 0);
    case READ: {
      const offset = Number(body.getBigUint64(8, true));
      return CONTENT.slice(offset, offset + body.getUint32(16, true));
    }
    case READDIR:
    case FLUSH:
    case RELEASE:
    case RELEASEDIR:
      return new Uint8Array();
    default:
      return ENOSYS;
  }
}

/** struct fuse_attr: nothing of it may be kept by the kernel, so that each look asks. */
function attributes(node: bigint): Uint8Array<ArrayBuffer> {
  const isTool = node === TOOL;
  const [ino, size] = [Number(isTool ? TOOL : ROOT), isTool ? CONTENT.length : 0];
  const times = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  return words(
    ino,
    0,
    size,
    0,
    0,
    0,
    ...times,
    isTool ? TOOL_MODE : DIRECTORY_MODE,
    1,
    0,
    0,
    0,
    512,
    0,
  );
}

function nameIn(body: DataView): string {
  const bytes = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

function words(...numbers: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.from(numbers).buffer);
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

function serve(fuse: number): void {
  const request = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(request.buffer);
  for (let length; (length = Number(libc.read(fuse, request, BigInt(REQUEST_BYTES)))) > 0;) {
    const opcode = view.getUint32(4, true);
    if ([FORGET, BATCH_FORGET, INTERRUPT].includes(opcode)) continue;
    const body = new DataView(request.buffer, IN_HEADER, length - IN_HEADER);
    const reply = answer(opcode, view.getBigUint64(16, true), body);
    const data = typeof reply === "number" ? new Uint8Array() : reply;
    const header = new DataView(new ArrayBuffer(OUT_HEADER));
    header.setUint32(0, OUT_HEADER + data.length, true);
    header.setInt32(4, typeof reply === "number" ? reply : 0, true);
    header.setBigUint64(8, view.getBigUint64(8, true), true);
    const message = join(new Uint8Array(header.buffer), data);
    libc.write(fuse, message, BigInt(message.length));
  }
}

const [place, isTrial] = Deno.args;
const O_RDWR = 2, MNT_DETACH = 2;
const fuse = libc.open(cString("/dev/fuse"), O_RDWR);
const options = `fd=${fuse},rootmode=40000,user_id=0,group_id=0,allow_other`;
if (
  fuse < 0 || libc.mount(cString("test"), cString(place!), cString("fuse"), 0n, cString(options))
) {
  Deno.exit(1);
}
if (isTrial) Deno.exit(libc.umount2(cString(place!), MNT_DETACH) === 0 ? 0 : 1);
serve(fuse);
