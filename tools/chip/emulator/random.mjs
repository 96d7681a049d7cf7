// The ring oscillator's random bit, where MicroPython's os.urandom and mbedTLS get theirs. rp2040js
// has none, so each would be constant, and every fresh flash would have the same stream id.
import { createHash, randomBytes } from "node:crypto";
import { BasePeripheral } from "./node_modules/rp2040js/dist/esm/peripherals/peripheral.js";

const RANDOMBIT = 0x1c;

/** Returns a function that gives one random byte after the other; the same ones for a seed. */
export function randomSource(seed) {
  let bytes = Buffer.alloc(0);
  let at = 0;
  let count = 0;
  return () => {
    if (at === bytes.length) {
      bytes =
        seed === undefined
          ? randomBytes(1024)
          : createHash("sha256").update(`linkpost ${seed} ${count++}`).digest();
      at = 0;
    }
    return bytes[at++];
  };
}

export class RingOscillator extends BasePeripheral {
  constructor(mcu, randomByte) {
    super(mcu, "ROSC");
    this.randomByte = randomByte;
    this.bits = 1;
  }

  readUint32(offset) {
    if (offset !== RANDOMBIT) return 0xffffffff;
    if (this.bits === 1) this.bits = 0x100 | this.randomByte();
    const bit = this.bits & 1;
    this.bits >>= 1;
    return bit;
  }

  writeUint32() {}
}
