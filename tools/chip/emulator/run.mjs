// Runs one emulated board, from power on to power off, for tools/chip/process.py.
//   node run.mjs '{"flash": FILE, "bootrom": FILE, ...}'
// Each line on standard output is one event, each line on standard input one order, both JSON.
// Bytes of the console travel as Latin-1 text.
import { openSync, readFileSync, writeSync, fsyncSync } from "node:fs";
import { createInterface } from "node:readline";
import { Chip, IDLE, OFF, RESET } from "./chip.mjs";
import { FLASH_BYTES, FlashMemory } from "./flash_memory.mjs";
import { Network } from "./network.mjs";
import { randomSource } from "./random.mjs";

const SLICE_NANOS = 2e6;
// While the board waits for a peer its clock stands still for so long at most (host time). So the
// chip's time is its own, the same on a fast and a slow computer. Later it passes as it would.
const STAND_STILL_MS = 2000;
// What a peer sends in pieces is taken in whole, where the pieces come close together.
const GATHER_MS = 1;
const TIME_EVENT_MS = 1000;
// Whoever reads what the board prints may answer it, or stop the board: before that no idle time is
// skipped (host time).
const ANSWER_MS = 30;
const IDLE_TURNS = 1000;

// Nobody listens any more: the board's power is cut. Its flash file is right at any moment.
process.stdout.on("error", () => process.exit(0));

const settings = JSON.parse(process.argv[2]);

// V8 takes the arrays of a chip for constants of the code that was made for it, as long as that was
// made once; the second chip by the same code ran at half the speed (2.1 times, measured). So each
// life has the code anew.
const coreOfLife = async (life) => (await import(`./fast_core.mjs?life=${life}`)).fastRunner;

function tell(event) {
  process.stdout.write(JSON.stringify(event) + "\n");
}

class Board {
  constructor(fastRunner) {
    this.fastRunner = fastRunner;
    const rom = readFileSync(settings.bootrom);
    this.bootrom = new Uint32Array(rom.buffer.slice(rom.byteOffset, rom.byteOffset + rom.length));
    this.randomByte = randomSource(settings.seed);
    this.network = new Network({ options: settings.options ?? {}, onEvent: (event) => this.report(event) });
    this.network.onHappened = () => this.wake();
    if (settings.tellNetwork) this.network.onDone = (what) => this.report({ network: what });
    this.#openFlash();
    this.nanosBefore = 0; // of the lives before this one
    this.idleNanos = 0;
    this.operations = { erases: 0, programs: 0, bytes: 0 };
    this.standingSince = null;
    this.timer = null;
    this.next = null;
    this.resets = 0;
    this.isStarting = false;
    this.typedEarly = [];
    this.spokeAt = 0;
    this.powerOn();
  }

  #openFlash() {
    this.file = openSync(settings.flash, "r+");
    const content = readFileSync(this.file);
    if (content.length !== FLASH_BYTES) throw new Error(`${settings.flash} is not a flash of 2 MB`);
    this.flash = new FlashMemory(content);
    this.flash.onOperation = (kind, start, end) => {
      if (kind === "erase") this.operations.erases++;
      else {
        this.operations.programs++;
        this.operations.bytes += end - start;
      }
      const count = this.operations.erases + this.operations.programs;
      if (settings.tellOperations) this.report({ operation: count, kind, start });
      return count !== settings.cutAt;
    };
    // Each erase and program is in the file at once: whatever ends this process is a power cut.
    this.flash.onChange = (start, end) => writeSync(this.file, this.flash.content, start, end - start, start);
    this.flash.onPowerCut = () => {
      this.chip.isOff = true;
      this.why = "power cut";
    };
  }

  powerOn(scratch, reason) {
    this.chip = new Chip({
      bootrom: this.bootrom,
      flash: this.flash,
      randomByte: this.randomByte,
      network: this.network,
      onConsole: (bytes) => {
        this.spokeAt = performance.now();
        this.report({ console: Buffer.from(bytes).toString("latin1") });
      },
      scratch,
      reason,
      fastRunner: settings.plainCore ? undefined : this.fastRunner,
    });
  }

  get nanos() {
    return this.nanosBefore + this.chip.nanos;
  }

  report(event) {
    tell({ ...event, chip_ms: this.nanos / 1e6 });
  }

  /** Goes on after the event loop had its turn. */
  later(ms = 0) {
    if (this.timer !== null) return;
    if (ms > 0) this.timer = setTimeout(() => this.#turn(), ms);
    else this.timer = setImmediate(() => this.#turn());
  }

  wake() {
    this.standingSince = null;
    const { core } = this.chip.mcu;
    if (core.waiting) core.waiting = false; // as the radio's interrupt does
    else core.eventRegistered = true;
    if (this.standing) {
      this.standing = false;
      clearTimeout(this.timer);
      this.timer = null;
    }
    if (!this.next) this.later(GATHER_MS);
  }

  #turn() {
    this.timer = null;
    this.standing = false;
    for (let turns = 0; turns < IDLE_TURNS; turns++) {
      const why = this.chip.run(SLICE_NANOS);
      if (why === OFF) return this.end(this.why ?? "off");
      if (why === RESET) return this.#reset(); // `goOn` goes on
      if (why === IDLE) {
        if (this.#stands()) return undefined;
        // Or until something is typed.
        if (!this.chip.nanosToAlarm && !this.chip.console.beginFrame()) return undefined;
        const ms = this.#pause();
        if (ms > 0) return this.later(ms);
        continue;
      }
      break;
    }
    return this.later();
  }

  /** Stands still while a peer is awaited; tells whether it does. */
  #stands() {
    if (!this.network.isAwaited) return false;
    const now = performance.now();
    this.standingSince ??= now;
    const left = STAND_STILL_MS - (now - this.standingSince);
    if (left <= 0) return false;
    this.standing = true;
    this.later(left);
    return true;
  }

  /** Lets time pass while the processor sleeps; returns how long to wait for the host's. */
  #pause() {
    const before = this.chip.nanos;
    const isReal = settings.pace === "real" || (this.network.isAwaited && this.standingSince !== null);
    if (!isReal) {
      const left = this.spokeAt + ANSWER_MS - performance.now();
      if (left > 0) return left;
      this.chip.sleep(Infinity);
      this.idleNanos += this.chip.nanos - before;
      return 0;
    }
    // The chip's clock may not run ahead of the host's from here on.
    const piece = Math.min(this.chip.nanosToAlarm, 5e6);
    this.chip.sleep(piece);
    this.idleNanos += this.chip.nanos - before;
    const now = performance.now();
    if (this.idleUntil === undefined || this.idleUntil < now - 50) this.idleUntil = now;
    this.idleUntil += (this.chip.nanos - before) / 1e6;
    return Math.max(0, Math.round(this.idleUntil - now));
  }

  #reset() {
    this.#newLife(this.chip.watchdog.scratchData, this.chip.watchdog.reason);
  }

  /** The person's reset: RUN pulled low, all memory but the flash lost. */
  pressReset() {
    clearTimeout(this.timer);
    clearImmediate(this.timer);
    this.timer = null;
    this.standing = false;
    if (this.next) return;
    this.#newLife(undefined, 0);
  }

  #newLife(scratch, reason) {
    this.resets++;
    this.next = { scratch: scratch && Uint32Array.from(scratch), reason };
    this.report({ reset: this.resets, reason });
    if (!settings.asksAtReset) this.goOn();
  }

  /** Starts the life that a reset has announced; whoever was asked may have changed the flash. */
  async goOn() {
    if (!this.next || this.isStarting) return;
    this.isStarting = true; // what is typed from here on is for the new life
    this.fastRunner = await coreOfLife(this.resets);
    this.isStarting = false;
    const { scratch, reason } = this.next;
    this.next = null;
    this.nanosBefore += this.chip.nanos;
    if (settings.asksAtReset) this.flash.content = readFileSync(settings.flash);
    this.powerOn(scratch, reason);
    this.type(this.typedEarly.splice(0));
    this.later();
  }

  type(bytes) {
    if (this.isStarting) this.typedEarly.push(...bytes);
    else this.chip.console.send(bytes);
  }

  end(why) {
    fsyncSync(this.file);
    this.report({ end: why, operations: this.operations, idle_ms: this.idleNanos / 1e6, resets: this.resets });
    process.stdout.write("", () => process.exit(0));
  }
}

const board = new Board(await coreOfLife(0));
board.later();
setInterval(() => board.report({ time: true }), TIME_EVENT_MS).unref();
const orders = createInterface({ input: process.stdin });
orders.on("line", (line) => {
  const order = JSON.parse(line);
  if (order.type !== undefined) {
    board.type(Buffer.from(order.type, "latin1"));
    // A Ctrl-C may end the waiting; a board that still waits looks again at once.
    board.network.awaitedAt = null;
    board.wake();
  }
  if (order.off) board.end(order.off);
  if (order.reset) board.pressReset();
  if (order.goOn) board.goOn();
});
orders.on("close", () => board.end("off"));
