// The network of the emulated board: a peripheral of our own at an address that an RP2040 does not
// use, and behind it this computer's sockets. What stands on the board's side is in
// ../stand_ins/chip_network.py, which has the same numbers.
import dgram from "node:dgram";
import dns from "node:dns";
import net from "node:net";
import tls from "node:tls";

const REGISTERS = { command: 0x00, handle: 0x04, address: 0x08, length: 0x0c, result: 0x10, argument: 0x14, ip: 0x18 };
const FLASH_START = 0x10000000;
const SRAM_START = 0x20000000;
// MicroPython's own numbers on this port (py/mperrno.h).
const ENOENT = 2, EBADF = 9, EAGAIN = 11, ENOTCONN = 107, EHOSTUNREACH = 113, EINPROGRESS = 115, ECONNRESET = 104;
const ERRNO = { ECONNREFUSED: 111, ECONNRESET, EPIPE: ECONNRESET, EHOSTUNREACH, ENETUNREACH: EHOSTUNREACH, ETIMEDOUT: 110, EADDRINUSE: 98 };
const READABLE = 1, WRITABLE = 4, ERROR = 8, HANG_UP = 16;
const SEND_BUFFER_BYTES = 6400; // lwIP's TCP_SND_BUF and TCP_WND in MicroPython's build
const RECEIVE_BUFFER_BYTES = 6400;
// Whoever waits for a peer looks again after less than that of the chip's time.
const AWAITED_NANOS = 500e6;

/** The registers. `host` is a `Network`; it does the work. */
export class NetworkPeripheral {
  constructor(mcu, host) {
    this.mcu = mcu;
    this.host = host;
    this.values = new Map();
    host.attach(this);
  }

  readUint32(offset) {
    return (this.values.get(offset) ?? 0) >>> 0;
  }

  writeUint32(offset, value) {
    this.values.set(offset, value >>> 0);
    if (offset === REGISTERS.command) {
      this.values.set(REGISTERS.result, this.host.command(value, this) >>> 0);
    }
  }

  writeUint32Atomic(offset, value) {
    this.writeUint32(offset, value);
  }

  get(name) {
    return this.values.get(REGISTERS[name]) ?? 0;
  }

  set(name, value) {
    this.values.set(REGISTERS[name], value >>> 0);
  }

  /** The bytes of the board's memory that the command names; a text of MicroPython's own build,
   * "pool.ntp.org" for one, is in flash. */
  memory() {
    const isFlash = this.get("address") < SRAM_START;
    const start = this.get("address") - (isFlash ? FLASH_START : SRAM_START);
    return (isFlash ? this.mcu.flash : this.mcu.sram).subarray(start, start + this.get("length"));
  }
}

class TcpSocket {
  constructor(network) {
    this.network = network;
    this.received = [];
    this.receivedBytes = 0;
    this.isConnected = false;
    this.hasEnded = false;
    this.error = 0;
  }

  connect(ip, port) {
    this.raw = net.connect({ host: ip, port, noDelay: true });
    this.raw.on("connect", () => {
      this.isConnected = true;
      this.network.happened();
    });
    this.#listen(this.raw);
    return -EINPROGRESS;
  }

  #listen(stream) {
    this.stream = stream;
    stream.on("data", (data) => {
      this.received.push(data);
      this.receivedBytes += data.length;
      if (this.receivedBytes >= RECEIVE_BUFFER_BYTES) stream.pause();
      this.network.happened();
    });
    stream.on("end", () => {
      this.hasEnded = true;
      this.network.happened();
    });
    stream.on("drain", () => this.network.happened());
    stream.on("error", (error) => this.#failed(error));
    stream.on("close", () => {
      this.hasEnded = true;
      this.network.happened();
    });
  }

  #failed(error) {
    this.tlsError ??= error;
    this.error ||= ERRNO[error.code] ?? ECONNRESET;
    this.network.happened();
  }

  /** From here on the host does and verifies TLS: the board reads and writes plain bytes. */
  startTls(name, anchors) {
    const { raw } = this;
    raw.removeAllListeners("data");
    this.isSecure = false;
    const options = { socket: raw, ca: anchors, maxVersion: "TLSv1.2" };
    if (net.isIP(name)) options.checkServerIdentity = (_, cert) => tls.checkServerIdentity(name, cert);
    else options.servername = name;
    const secured = tls.connect(options, () => {
      this.isSecure = true;
      this.network.happened();
    });
    for (const event of ["end", "drain", "error", "close"]) raw.removeAllListeners(event);
    raw.on("error", (error) => this.#failed(error));
    this.#listen(secured);
    if (this.receivedBytes) secured.unshift?.(Buffer.concat(this.received.splice(0)));
  }

  read(into) {
    if (this.receivedBytes) {
      let done = 0;
      while (done < into.length && this.received.length) {
        const first = this.received[0];
        const count = Math.min(first.length, into.length - done);
        into.set(first.subarray(0, count), done);
        done += count;
        if (count === first.length) this.received.shift();
        else this.received[0] = first.subarray(count);
      }
      this.receivedBytes -= done;
      if (this.receivedBytes < RECEIVE_BUFFER_BYTES && this.stream.isPaused()) this.stream.resume();
      return done;
    }
    if (this.error) return -this.error;
    if (this.hasEnded) return 0;
    if (!this.isConnected) return this.raw ? -EAGAIN : -ENOTCONN;
    return -EAGAIN;
  }

  get canWrite() {
    return this.isConnected && this.isSecure !== false && this.stream.writableLength < SEND_BUFFER_BYTES;
  }

  write(data) {
    if (this.error) return -this.error;
    if (!this.raw) return -ENOTCONN;
    if (this.stream.destroyed || this.stream.writableEnded) return -ECONNRESET;
    if (!this.canWrite) return -EAGAIN;
    const count = Math.min(data.length, SEND_BUFFER_BYTES - this.stream.writableLength);
    this.stream.write(Buffer.from(data.subarray(0, count)));
    return count;
  }

  poll() {
    let flags = 0;
    if (this.receivedBytes || this.hasEnded || this.error) flags |= READABLE;
    if (this.canWrite) flags |= WRITABLE;
    if (this.error) flags |= ERROR | HANG_UP | WRITABLE;
    return flags;
  }

  close() {
    if (!this.raw) return;
    this.stream.removeAllListeners();
    this.raw.removeAllListeners();
    this.stream.on("error", () => {});
    this.raw.on("error", () => {});
    this.stream.end();
    const { stream, raw } = this;
    setTimeout(() => { stream.destroy(); raw.destroy(); }, 1000).unref();
  }
}

class UdpSocket {
  constructor(network) {
    this.received = [];
    this.socket = dgram.createSocket("udp4");
    this.socket.on("message", (data, from) => {
      this.received.push([data, from]);
      network.happened();
    });
    this.socket.on("error", () => {});
  }

  /** Of an address that was used a moment ago nothing is told: it is bound in the background. */
  bind(port) {
    this.socket.bind(port, "127.0.0.1");
    return 0;
  }

  sendTo(data, ip, port) {
    this.socket.send(Buffer.from(data), port, ip);
    return data.length;
  }

  receiveFrom(into, registers) {
    if (!this.received.length) return -EAGAIN;
    const from = this.received[0][1];
    registers.set("ip", net.isIPv4(from.address) ? toNumber(from.address) : 0);
    registers.set("argument", from.port);
    return this.read(into);
  }

  /** One message, what does not fit is gone. */
  read(into) {
    if (!this.received.length) return -EAGAIN;
    const [data] = this.received.shift();
    const count = Math.min(into.length, data.length);
    into.set(data.subarray(0, count));
    return count;
  }

  poll() {
    return WRITABLE | (this.received.length ? READABLE : 0);
  }

  close() {
    this.socket.close();
  }
}

function toNumber(ip) {
  return ip.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

function toText(number) {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join(".");
}

/** This computer's sockets, for one board. `onEvent(event)` gets what the board reports. */
export class Network {
  constructor({ options = {}, onEvent = () => {} } = {}) {
    this.options = options;
    this.onEvent = onEvent;
    this.onHappened = () => {};
    this.awaitedAt = null; // when the board last looked for something that is not there yet
    this.sockets = new Map();
    this.next = 1;
    this.names = new Map();
  }

  attach(registers) {
    for (const socket of this.sockets.values()) socket.close?.();
    this.sockets.clear();
    this.awaitedAt = null;
    this.registers = registers;
  }

  happened() {
    this.awaitedAt = null;
    this.onHappened();
  }

  /** Whether the board waits for a peer. It may have given up without a word: a program that
   * Ctrl-C stopped, a time-out. */
  get isAwaited() {
    return this.awaitedAt !== null && this.registers.mcu.clock.nanos - this.awaitedAt < AWAITED_NANOS;
  }

  command(number, registers) {
    const run = COMMANDS[number];
    if (!run) return -ENOENT;
    const socket = this.sockets.get(registers.get("handle"));
    const result = run(this, registers, socket);
    // A marker that costs the board nothing: what it did, and for bytes the first of them, which
    // in TLS is the type of the record.
    if (this.onDone && number in MARKED && (number < 3 || number === 6 || result > 0)) {
      this.onDone([MARKED[number], result, result > 0 && number > 2 ? registers.memory()[0] : 0]);
    }
    return result;
  }

  open(socket) {
    this.sockets.set(this.next, socket);
    return this.next++;
  }

  /** Says that there is nothing yet: the board may stand still until there is. */
  awaited(result) {
    this.awaitedAt = this.registers.mcu.clock.nanos;
    return result;
  }
}

const MARKED = { 1: "open", 2: "connect", 3: "read", 4: "write", 6: "close" };

const COMMANDS = {
  1: (network, registers) => {
    if (registers.get("argument") === 2) return network.open(new UdpSocket(network));
    network.newestTcp = network.open(new TcpSocket(network));
    return network.newestTcp;
  },
  2: (network, registers, socket) =>
    socket ? socket.connect(toText(registers.get("ip")), registers.get("argument")) : -EBADF,
  3: (network, registers, socket) => {
    if (!socket) return -EBADF;
    const count = socket.read(registers.memory());
    return count === -EAGAIN ? network.awaited(count) : count;
  },
  4: (network, registers, socket) => {
    if (!socket) return -EBADF;
    const count = socket.write(registers.memory());
    return count === -EAGAIN ? network.awaited(count) : count;
  },
  5: (network, registers, socket) => {
    if (!socket) return 32; // POLLNVAL
    const flags = socket.poll();
    return flags & (registers.get("argument") | ERROR | HANG_UP) ? flags : network.awaited(flags);
  },
  6: (network, registers, socket) => {
    socket?.close();
    network.sockets.delete(registers.get("handle"));
    return 0;
  },
  7: (network, registers) => {
    const name = Buffer.from(registers.memory()).toString();
    const found = network.names.get(name);
    if (found === undefined) {
      network.names.set(name, null);
      dns.lookup(name, { family: 4 }, (error, address) => {
        network.names.set(name, error ? -1 : toNumber(address));
        network.happened();
      });
    }
    if (found === undefined || found === null) return network.awaited(-EAGAIN);
    network.names.delete(name);
    if (found === -1) return -ENOENT;
    registers.set("ip", found);
    return 0;
  },
  8: (network, registers, socket) =>
    socket ? socket.sendTo(registers.memory(), toText(registers.get("ip")), registers.get("argument")) : -EBADF,
  9: (network, registers, socket) => {
    if (!socket) return -EBADF;
    const count = socket.receiveFrom(registers.memory(), registers);
    return count === -EAGAIN ? network.awaited(count) : count;
  },
  17: (network, registers, socket) => socket?.bind?.(registers.get("argument")) ?? -EBADF,
  // A context of TLS on the host is a list of anchors.
  10: (network) => network.open({ anchors: [] }),
  11: (network, registers, context) => {
    const der = Buffer.from(registers.memory()).toString("base64");
    context.anchors.push(`-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`);
    return context.anchors.length;
  },
  12: (network, registers) => {
    const context = network.sockets.get(registers.get("argument"));
    const handle = registers.get("handle") || network.newestTcp;
    const raw = network.sockets.get(handle);
    if (!raw?.startTls || !context) return -EBADF;
    raw.startTls(Buffer.from(registers.memory()).toString(), context.anchors);
    return handle;
  },
  // Why TLS failed: one of the words of ../stand_ins/tls.py, or 0.
  13: (network, registers, socket) => {
    if (!socket?.tlsError) return 0;
    const code = socket.tlsError.code ?? "";
    if (code in ERRNO) return 0;
    if (code === "CERT_HAS_EXPIRED") return 2;
    if (code === "CERT_NOT_YET_VALID") return 3;
    if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return 4;
    if (/CERT|SIGN|ISSUER/.test(code) && !/^ERR_SSL/.test(code)) return 1;
    return 5;
  },
  14: (network, registers) => {
    network.onEvent({ mark: Buffer.from(registers.memory()).toString() });
    return 0;
  },
  15: (network, registers) => network.options[registers.get("argument")] ?? 0,
  16: (network, registers) => {
    network.onEvent({ note: Buffer.from(registers.memory()).toString() });
    return 0;
  },
};
