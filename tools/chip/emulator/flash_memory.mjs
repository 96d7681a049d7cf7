// The flash chip of a Pico: what rp2040js leaves out, so that MicroPython can erase and program it.
//
// MicroPython calls the boot ROM, which talks to the flash over the SSI byte by byte: it holds chip
// select low by the override bits of IO_QSPI's SS pin, writes each byte to DR0 and reads one back.
// So while chip select is forced, each write to DR0 is one byte to the flash, and its answer goes
// into a FIFO. The commands are a W25Q16's (its data sheet, "Instruction Set").
// While it is not forced, execution from flash is set up by the second boot stage; for that,
// rp2040js' own SSI has the answers.
import { RPSSI } from "./node_modules/rp2040js/dist/esm/peripherals/ssi.js";
import { BasePeripheral } from "./node_modules/rp2040js/dist/esm/peripherals/peripheral.js";

export const FLASH_BYTES = 2 * 1024 * 1024;
export const SECTOR_BYTES = 4096;
export const PAGE_BYTES = 256;

const BLOCK_BYTES = { 0x20: SECTOR_BYTES, 0x52: 32768, 0xd8: 65536 };
// Manufacturer, memory type, capacity; and the unique id, which becomes machine.unique_id().
const JEDEC_ID = [0xef, 0x40, 0x15];
const UNIQUE_ID = [0xe6, 0x61, 0x5c, 0x10, 0xde, 0x5c, 0x20, 0x26];

const SS_CTRL = 0x0c;
const SR = 0x28;
const TXFLR = 0x20;
const RXFLR = 0x24;
const DR0 = 0x60;
const SR_TRANSMIT_IDLE = 0x06; // TFNF, TFE
const SR_RFNE = 0x08;

/** The flash's content and commands. `onOperation(kind, start, end)` is called before each erase
 * and program; where it returns false the power fails half way through. */
export class FlashMemory {
  constructor(content) {
    this.content = content; // a view of what the processor reads
    this.onOperation = () => true;
    this.onChange = () => {};
    this.onPowerCut = () => {};
    this.sent = [];
    this.writable = false;
    this.dead = false;
  }

  select() {
    this.sent.length = 0;
  }

  /** Chip select goes high: an erase or a program begins. */
  release() {
    const command = this.sent[0];
    if (this.dead || command === undefined) return;
    if (command === 0x06) this.writable = true;
    else if (command === 0x04) this.writable = false;
    else if (command in BLOCK_BYTES && this.sent.length >= 4) this.#erase(BLOCK_BYTES[command]);
    else if (command === 0x02 && this.sent.length > 4) this.#program();
    this.sent.length = 0;
  }

  /** One byte to the flash; returns what it answers meanwhile. */
  exchange(byte) {
    const at = this.sent.length;
    this.sent.push(byte);
    switch (this.sent[0]) {
      case 0x05: // status: never busy; write enable latch
        return at === 0 ? 0 : this.writable ? 0x02 : 0;
      case 0x35:
        return at === 0 ? 0 : 0x02; // quad enable
      case 0x9f:
        return JEDEC_ID[at - 1] ?? 0;
      case 0x4b: // unique id, behind four dummy bytes
        return UNIQUE_ID[at - 5] ?? 0;
      case 0x03:
        return at < 4 ? 0 : this.content[(this.#address() + at - 4) % FLASH_BYTES];
      default:
        return 0;
    }
  }

  #address() {
    return (this.sent[1] << 16) | (this.sent[2] << 8) | this.sent[3];
  }

  #erase(length) {
    if (!this.writable) return;
    const start = (this.#address() % FLASH_BYTES) & ~(length - 1);
    this.#change("erase", start, start + length, (end) => this.content.fill(0xff, start, end));
  }

  #program() {
    if (!this.writable) return;
    const address = this.#address() % FLASH_BYTES;
    const data = this.sent.slice(4);
    const page = address & ~(PAGE_BYTES - 1);
    this.#change("program", address, address + data.length, (end) => {
      // A program only clears bits, and wraps within its page.
      for (let i = 0; address + i < end; i++) {
        this.content[page + ((address - page + i) % PAGE_BYTES)] &= data[i];
      }
    });
  }

  #change(kind, start, end, apply) {
    this.writable = false;
    const whole = this.onOperation(kind, start, end);
    if (!whole) this.dead = true;
    apply(whole ? end : start + ((end - start) >> 1));
    const page = start & ~(PAGE_BYTES - 1);
    this.onChange(page, kind === "erase" ? end : page + PAGE_BYTES);
    if (!whole) this.onPowerCut();
  }
}

/** Puts the flash behind an RP2040's SSI and IO_QSPI. */
export function connectFlash(mcu, memory) {
  const pins = new QspiPins(mcu, memory);
  mcu.peripherals[0x18000] = new FlashSsi(mcu, memory, pins);
  mcu.peripherals[0x40018] = pins;
}

class QspiPins extends BasePeripheral {
  constructor(mcu, memory) {
    super(mcu, "IO_QSPI");
    this.registers = new Uint32Array(1024);
    this.memory = memory;
    this.isForced = false;
    this.isSelected = false;
  }

  readUint32(offset) {
    return this.registers[offset >> 2];
  }

  writeUint32(offset, value) {
    this.registers[offset >> 2] = value;
    if (offset !== SS_CTRL) return;
    const override = (value >> 8) & 3;
    const selected = override === 2;
    this.isForced = override >= 2;
    if (selected && !this.isSelected) this.memory.select();
    if (!selected && this.isSelected) this.memory.release();
    this.isSelected = selected;
  }
}

class FlashSsi extends RPSSI {
  constructor(mcu, memory, pins) {
    super(mcu, "SSI");
    this.memory = memory;
    this.pins = pins;
    this.answers = [];
  }

  readUint32(offset) {
    if (!this.pins.isForced) return super.readUint32(offset);
    switch (offset) {
      case SR:
        return SR_TRANSMIT_IDLE | (this.answers.length ? SR_RFNE : 0);
      case TXFLR:
        return 0;
      case RXFLR:
        return this.answers.length;
      case DR0:
        return this.answers.length ? this.answers.shift() : 0;
      default:
        return super.readUint32(offset);
    }
  }

  writeUint32(offset, value) {
    if (!this.pins.isForced || offset !== DR0) {
      if (!this.pins.isForced) this.answers.length = 0;
      super.writeUint32(offset, value);
      return;
    }
    this.answers.push(this.pins.isSelected ? this.memory.exchange(value & 0xff) : 0);
  }
}
