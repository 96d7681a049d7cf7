// A faster way through the instructions that nearly all of a program is made of.
//
// rp2040js decides what an instruction is by a long row of comparisons, and after each lets its
// clock look for alarms. Here a table of all 65,536 halfwords says what it is, registers and flags
// stay in local variables, and the clock is told when an alarm is due or a peripheral is asked.
// Whatever is rare, touches a peripheral, or changes the processor's mode is left to rp2040js'
// own core, so its behaviour and its count of cycles stand: `test_chip_core.py` runs both beside
// each other. Source of the encodings: ARMv6-M Architecture Reference Manual, A5 and A6.

const SRAM_BYTES = 264 * 1024;
const NANOS_PER_CYCLE = 8; // 125 MHz

// The order is the order of the switch below.
const [SLOW, LSL_I, LSR_I, ASR_I, ADD_R, SUB_R, ADD_I3, SUB_I3, MOV_I, CMP_I, ADD_I8, SUB_I8,
  AND, EOR, LSL_R, LSR_R, ASR_R, ADC, SBC, ROR, TST, RSB, CMP_R, CMN, ORR, MUL, BIC, MVN,
  ADD_HI, CMP_HI, MOV_HI, BX, BLX, LDR_LIT, STR_R, STRH_R, STRB_R, LDRSB_R, LDR_R, LDRH_R,
  LDRB_R, LDRSH_R, STR_I, LDR_I, STRB_I, LDRB_I, STRH_I, LDRH_I, STR_SP, LDR_SP, ADR, ADD_SP,
  SP_ADD, SP_SUB, SXTH, SXTB, UXTH, UXTB, PUSH, POP, REV, REV16, REVSH, STM, LDM, B_COND, B, BL,
  NOP] = Array(80).keys();

function kindOf(op) {
  switch (op >> 12) {
    case 0x0:
    case 0x1:
      return [LSL_I, LSR_I, ASR_I, [ADD_R, SUB_R, ADD_I3, SUB_I3][(op >> 9) & 3]][(op >> 11) & 3];
    case 0x2:
    case 0x3:
      return [MOV_I, CMP_I, ADD_I8, SUB_I8][(op >> 11) & 3];
    case 0x4:
      if (op >> 11 === 0b01001) return LDR_LIT;
      if (op >> 10 === 0b010000) {
        return [AND, EOR, LSL_R, LSR_R, ASR_R, ADC, SBC, ROR, TST, RSB, CMP_R, CMN, ORR, MUL, BIC,
          MVN][(op >> 6) & 15];
      }
      return [ADD_HI, CMP_HI, MOV_HI, op & 7 ? SLOW : op & 0x80 ? BLX : BX][(op >> 8) & 3];
    case 0x5:
      return [STR_R, STRH_R, STRB_R, LDRSB_R, LDR_R, LDRH_R, LDRB_R, LDRSH_R][(op >> 9) & 7];
    case 0x6:
      return op & 0x800 ? LDR_I : STR_I;
    case 0x7:
      return op & 0x800 ? LDRB_I : STRB_I;
    case 0x8:
      return op & 0x800 ? LDRH_I : STRH_I;
    case 0x9:
      return op & 0x800 ? LDR_SP : STR_SP;
    case 0xa:
      return op & 0x800 ? ADD_SP : ADR;
    case 0xb:
      if (op >> 8 === 0xb0) return op & 0x80 ? SP_SUB : SP_ADD;
      if (op >> 8 === 0xb2) return [SXTH, SXTB, UXTH, UXTB][(op >> 6) & 3];
      if (op >> 9 === 0b1011010) return PUSH;
      if (op >> 9 === 0b1011110) return POP;
      if (op >> 8 === 0xba) return [REV, REV16, SLOW, REVSH][(op >> 6) & 3];
      return op === 0xbf00 ? NOP : SLOW;
    case 0xc:
      return op & 0x800 ? LDM : STM;
    case 0xd:
      return ((op >> 9) & 7) === 7 ? SLOW : B_COND;
    case 0xe:
      return op & 0x800 ? SLOW : B;
    default:
      return op >> 11 === 0b11110 ? BL : SLOW;
  }
}

const KINDS = Uint8Array.from({ length: 65536 }, (_, op) => kindOf(op));
const BITS = Uint8Array.from({ length: 256 }, (_, list) => {
  let count = 0;
  for (; list; list &= list - 1) count++;
  return count;
});

/** Returns run(nanos): lets the chip run for so long, until it sleeps, or `chip.mustStop`. */
export function fastRunner(chip) {
  const { mcu, clock } = chip;
  const { core } = mcu;
  const R = new Int32Array(core.registers.buffer);
  const rom16 = new Uint16Array(mcu.bootrom.buffer);
  const rom32 = new Int32Array(mcu.bootrom.buffer);
  const flash8 = mcu.flash;
  const flash16 = new Uint16Array(flash8.buffer);
  const flash32 = new Int32Array(flash8.buffer);
  const ram8 = mcu.sram;
  const ram16 = new Uint16Array(ram8.buffer);
  const ram32 = new Int32Array(ram8.buffer);

  return function run(nanos) {
    const end = clock.nanos + nanos;
    let pc = R[15];
    let n = core.N ? -1 : 0; // negative where N is set
    let z = core.Z ? 0 : 1; // zero where Z is set
    let c = core.C ? 1 : 0;
    let v = core.V ? -1 : 0; // negative where V is set
    let done = 0; // cycles that the clock does not know of yet
    let limit = 0; // when the clock has to know of them
    for (;;) {
      if (done >= limit) {
        clock.tick(done * NANOS_PER_CYCLE);
        done = 0;
        if (core.interruptsUpdated) {
          core.N = n < 0; core.Z = z === 0; core.C = c === 1; core.V = v < 0;
          R[15] = pc;
          if (core.checkForInterrupts()) core.waiting = false;
          pc = R[15];
          n = core.N ? -1 : 0; z = core.Z ? 0 : 1; c = core.C ? 1 : 0; v = core.V ? -1 : 0;
        }
        if (core.waiting || chip.mustStop || clock.nanos >= end) {
          core.N = n < 0; core.Z = z === 0; core.C = c === 1; core.V = v < 0;
          R[15] = pc;
          return;
        }
        const alarm = clock.nanosToNextAlarm;
        const left = end - clock.nanos;
        limit = (alarm > 0 && alarm < left ? alarm : left) / NANOS_PER_CYCLE;
        if (alarm === 0 && clock.nextAlarm) limit = 1;
      }
      const page = pc >>> 24;
      let op;
      if (page === 0x10) op = flash16[(pc & 0xffffff) >> 1];
      else if (page === 0x20) op = ram16[(pc & 0xfffff) >> 1];
      else op = rom16[(pc & 0x3fff) >> 1];

      step: {
        switch (KINDS[op]) {
          case LSL_I: {
            const x = R[(op >> 3) & 7], s = (op >> 6) & 31;
            if (s) c = (x >>> (32 - s)) & 1;
            n = z = R[op & 7] = x << s;
            done++; pc += 2;
            break step;
          }
          case LSR_I: {
            const x = R[(op >> 3) & 7], s = (op >> 6) & 31;
            if (s) { c = (x >>> (s - 1)) & 1; n = z = R[op & 7] = x >>> s; }
            else { c = x >>> 31; n = z = R[op & 7] = 0; }
            done++; pc += 2;
            break step;
          }
          case ASR_I: {
            const x = R[(op >> 3) & 7], s = (op >> 6) & 31;
            if (s) { c = (x >>> (s - 1)) & 1; n = z = R[op & 7] = x >> s; }
            else { c = x >>> 31; n = z = R[op & 7] = x >> 31; }
            done++; pc += 2;
            break step;
          }
          case ADD_R: {
            const a = R[(op >> 3) & 7], b = R[(op >> 6) & 7], r = (a + b) | 0;
            c = r >>> 0 < a >>> 0 ? 1 : 0; v = (a ^ r) & (b ^ r); n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case SUB_R: {
            const a = R[(op >> 3) & 7], b = R[(op >> 6) & 7], r = (a - b) | 0;
            c = a >>> 0 >= b >>> 0 ? 1 : 0; v = (a ^ b) & (a ^ r); n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case ADD_I3: {
            const a = R[(op >> 3) & 7], b = (op >> 6) & 7, r = (a + b) | 0;
            c = r >>> 0 < a >>> 0 ? 1 : 0; v = (a ^ r) & (b ^ r); n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case SUB_I3: {
            const a = R[(op >> 3) & 7], b = (op >> 6) & 7, r = (a - b) | 0;
            c = a >>> 0 >= b ? 1 : 0; v = (a ^ b) & (a ^ r); n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case MOV_I:
            n = z = R[(op >> 8) & 7] = op & 0xff;
            done++; pc += 2;
            break step;
          case CMP_I: {
            const a = R[(op >> 8) & 7], b = op & 0xff, r = (a - b) | 0;
            c = a >>> 0 >= b ? 1 : 0; v = (a ^ b) & (a ^ r); n = z = r;
            done++; pc += 2;
            break step;
          }
          case ADD_I8: {
            const d = (op >> 8) & 7, a = R[d], b = op & 0xff, r = (a + b) | 0;
            c = r >>> 0 < a >>> 0 ? 1 : 0; v = (a ^ r) & (b ^ r); n = z = R[d] = r;
            done++; pc += 2;
            break step;
          }
          case SUB_I8: {
            const d = (op >> 8) & 7, a = R[d], b = op & 0xff, r = (a - b) | 0;
            c = a >>> 0 >= b ? 1 : 0; v = (a ^ b) & (a ^ r); n = z = R[d] = r;
            done++; pc += 2;
            break step;
          }
          case AND:
            n = z = R[op & 7] &= R[(op >> 3) & 7];
            done++; pc += 2;
            break step;
          case EOR:
            n = z = R[op & 7] ^= R[(op >> 3) & 7];
            done++; pc += 2;
            break step;
          case LSL_R: {
            const x = R[op & 7], s = R[(op >> 3) & 7] & 0xff;
            let r = x;
            if (s >= 32) { c = s === 32 ? x & 1 : 0; r = 0; }
            else if (s) { c = (x >>> (32 - s)) & 1; r = x << s; }
            n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case LSR_R: {
            const x = R[op & 7], s = R[(op >> 3) & 7] & 0xff;
            let r = x;
            if (s >= 32) { c = s === 32 ? x >>> 31 : 0; r = 0; }
            else if (s) { c = (x >>> (s - 1)) & 1; r = x >>> s; }
            n = z = R[op & 7] = r;
            n |= 0; z |= 0;
            done++; pc += 2;
            break step;
          }
          case ASR_R: {
            const x = R[op & 7], s = R[(op >> 3) & 7] & 0xff;
            let r = x;
            if (s >= 32) { c = x >>> 31; r = x >> 31; }
            else if (s) { c = (x >>> (s - 1)) & 1; r = x >> s; }
            n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case ADC: {
            const a = R[op & 7], b = R[(op >> 3) & 7], u = (a >>> 0) + (b >>> 0) + c, r = u | 0;
            c = u > 0xffffffff ? 1 : 0; v = (a ^ r) & (b ^ r); n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case SBC: {
            const a = R[op & 7], b = R[(op >> 3) & 7], u = (a >>> 0) - (b >>> 0) - 1 + c, r = u | 0;
            c = u >= 0 ? 1 : 0; v = (a ^ b) & (a ^ r); n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case ROR: {
            const x = R[op & 7], s = R[(op >> 3) & 7] & 0xff, t = s & 31;
            const r = t ? (x >>> t) | (x << (32 - t)) : x;
            if (s) c = r >>> 31;
            n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case TST:
            n = z = R[op & 7] & R[(op >> 3) & 7];
            done++; pc += 2;
            break step;
          case RSB: {
            const b = R[(op >> 3) & 7], r = -b | 0;
            c = b === 0 ? 1 : 0; v = b & r; n = z = R[op & 7] = r;
            done++; pc += 2;
            break step;
          }
          case CMP_R: {
            const a = R[op & 7], b = R[(op >> 3) & 7], r = (a - b) | 0;
            c = a >>> 0 >= b >>> 0 ? 1 : 0; v = (a ^ b) & (a ^ r); n = z = r;
            done++; pc += 2;
            break step;
          }
          case CMN: {
            const a = R[op & 7], b = R[(op >> 3) & 7], r = (a + b) | 0;
            c = r >>> 0 < a >>> 0 ? 1 : 0; v = (a ^ r) & (b ^ r); n = z = r;
            done++; pc += 2;
            break step;
          }
          case ORR:
            n = z = R[op & 7] |= R[(op >> 3) & 7];
            done++; pc += 2;
            break step;
          case MUL:
            n = z = R[op & 7] = Math.imul(R[op & 7], R[(op >> 3) & 7]);
            done++; pc += 2;
            break step;
          case BIC:
            n = z = R[op & 7] &= ~R[(op >> 3) & 7];
            done++; pc += 2;
            break step;
          case MVN:
            n = z = R[op & 7] = ~R[(op >> 3) & 7];
            done++; pc += 2;
            break step;
          case ADD_HI: {
            const d = ((op & 0x80) >> 4) | (op & 7), m = (op >> 3) & 15;
            if (d === 15) {
              pc = (pc + 4 + (m === 15 ? pc + 4 : R[m])) & ~1;
              done += 2;
              break step;
            }
            const r = (R[d] + (m === 15 ? pc + 4 : R[m])) | 0;
            R[d] = d === 13 ? r & ~3 : r;
            done++; pc += 2;
            break step;
          }
          case CMP_HI: {
            const d = ((op & 0x80) >> 4) | (op & 7), m = (op >> 3) & 15;
            if (d === 15 || m === 15) break;
            const a = R[d], b = R[m], r = (a - b) | 0;
            c = a >>> 0 >= b >>> 0 ? 1 : 0; v = (a ^ b) & (a ^ r); n = z = r;
            done++; pc += 2;
            break step;
          }
          case MOV_HI: {
            const d = ((op & 0x80) >> 4) | (op & 7), m = (op >> 3) & 15;
            const x = m === 15 ? pc + 4 : R[m];
            if (d === 15) {
              pc = x & ~1;
              done += 2;
              break step;
            }
            R[d] = d === 13 ? x & ~3 : x;
            done++; pc += 2;
            break step;
          }
          case BX: {
            const x = R[(op >> 3) & 15];
            if (x >>> 28 === 15) break; // the end of an exception
            pc = x & ~1;
            done += 2;
            break step;
          }
          case BLX: {
            const x = R[(op >> 3) & 15];
            R[14] = (pc + 2) | 1;
            pc = x & ~1;
            done += 2;
            break step;
          }
          case LDR_LIT: {
            const a = ((pc + 4) & ~3) + ((op & 0xff) << 2);
            if (page === 0x10) R[(op >> 8) & 7] = flash32[(a & 0xffffff) >> 2];
            else if (page === 0x20) R[(op >> 8) & 7] = ram32[(a & 0xfffff) >> 2];
            else R[(op >> 8) & 7] = rom32[(a & 0x3fff) >> 2];
            done += 2; pc += 2;
            break step;
          }
          case STR_R: {
            const a = (R[(op >> 3) & 7] + R[(op >> 6) & 7]) | 0;
            if ((a - 0x20000000) >>> 0 >= SRAM_BYTES) break;
            ram32[(a & 0xfffff) >> 2] = R[op & 7];
            done += 2; pc += 2;
            break step;
          }
          case STRH_R: {
            const a = (R[(op >> 3) & 7] + R[(op >> 6) & 7]) | 0;
            if ((a - 0x20000000) >>> 0 >= SRAM_BYTES) break;
            ram16[(a & 0xfffff) >> 1] = R[op & 7];
            done += 2; pc += 2;
            break step;
          }
          case STRB_R: {
            const a = (R[(op >> 3) & 7] + R[(op >> 6) & 7]) | 0;
            if ((a - 0x20000000) >>> 0 >= SRAM_BYTES) break;
            ram8[a & 0xfffff] = R[op & 7];
            done += 2; pc += 2;
            break step;
          }
          case LDRSB_R: {
            const a = (R[(op >> 3) & 7] + R[(op >> 6) & 7]) | 0;
            if ((a - 0x20000000) >>> 0 < SRAM_BYTES) R[op & 7] = (ram8[a & 0xfffff] << 24) >> 24;
            else if (a >>> 24 === 0x10) R[op & 7] = (flash8[a & 0xffffff] << 24) >> 24;
            else break;
            done += 2; pc += 2;
            break step;
          }
          case LDR_R: {
            const a = (R[(op >> 3) & 7] + R[(op >> 6) & 7]) | 0;
            if ((a - 0x20000000) >>> 0 < SRAM_BYTES) R[op & 7] = ram32[(a & 0xfffff) >> 2];
            else if (a >>> 24 === 0x10) R[op & 7] = flash32[(a & 0xffffff) >> 2];
            else break;
            done += 2; pc += 2;
            break step;
          }
          case LDRH_R: {
            const a = (R[(op >> 3) & 7] + R[(op >> 6) & 7]) | 0;
            if ((a - 0x20000000) >>> 0 < SRAM_BYTES) R[op & 7] = ram16[(a & 0xfffff) >> 1];
            else if (a >>> 24 === 0x10) R[op & 7] = flash16[(a & 0xffffff) >> 1];
            else break;
            done += 2; pc += 2;
            break step;
          }
          case LDRB_R: {
            const a = (R[(op >> 3) & 7] + R[(op >> 6) & 7]) | 0;
            if ((a - 0x20000000) >>> 0 < SRAM_BYTES) R[op & 7] = ram8[a & 0xfffff];
            else if (a >>> 24 === 0x10) R[op & 7] = flash8[a & 0xffffff];
            else break;
            done += 2; pc += 2;
            break step;
          }
          case LDRSH_R: {
            const a = (R[(op >> 3) & 7] + R[(op >> 6) & 7]) | 0;
            if ((a - 0x20000000) >>> 0 < SRAM_BYTES) R[op & 7] = (ram16[(a & 0xfffff) >> 1] << 16) >> 16;
            else if (a >>> 24 === 0x10) R[op & 7] = (flash16[(a & 0xffffff) >> 1] << 16) >> 16;
            else break;
            done += 2; pc += 2;
            break step;
          }
          case STR_I: {
            const a = (R[(op >> 3) & 7] + (((op >> 6) & 31) << 2)) | 0;
            if ((a - 0x20000000) >>> 0 >= SRAM_BYTES) break;
            ram32[(a & 0xfffff) >> 2] = R[op & 7];
            done += 2; pc += 2;
            break step;
          }
          case LDR_I: {
            const a = (R[(op >> 3) & 7] + (((op >> 6) & 31) << 2)) | 0;
            if ((a - 0x20000000) >>> 0 < SRAM_BYTES) R[op & 7] = ram32[(a & 0xfffff) >> 2];
            else if (a >>> 24 === 0x10) R[op & 7] = flash32[(a & 0xffffff) >> 2];
            else break;
            done += 2; pc += 2;
            break step;
          }
          case STRB_I: {
            const a = (R[(op >> 3) & 7] + ((op >> 6) & 31)) | 0;
            if ((a - 0x20000000) >>> 0 >= SRAM_BYTES) break;
            ram8[a & 0xfffff] = R[op & 7];
            done += 2; pc += 2;
            break step;
          }
          case LDRB_I: {
            const a = (R[(op >> 3) & 7] + ((op >> 6) & 31)) | 0;
            if ((a - 0x20000000) >>> 0 < SRAM_BYTES) R[op & 7] = ram8[a & 0xfffff];
            else if (a >>> 24 === 0x10) R[op & 7] = flash8[a & 0xffffff];
            else break;
            done += 2; pc += 2;
            break step;
          }
          case STRH_I: {
            const a = (R[(op >> 3) & 7] + (((op >> 6) & 31) << 1)) | 0;
            if ((a - 0x20000000) >>> 0 >= SRAM_BYTES) break;
            ram16[(a & 0xfffff) >> 1] = R[op & 7];
            done += 2; pc += 2;
            break step;
          }
          case LDRH_I: {
            const a = (R[(op >> 3) & 7] + (((op >> 6) & 31) << 1)) | 0;
            if ((a - 0x20000000) >>> 0 < SRAM_BYTES) R[op & 7] = ram16[(a & 0xfffff) >> 1];
            else if (a >>> 24 === 0x10) R[op & 7] = flash16[(a & 0xffffff) >> 1];
            else break;
            done += 2; pc += 2;
            break step;
          }
          case STR_SP: {
            const a = (R[13] + ((op & 0xff) << 2)) | 0;
            if ((a - 0x20000000) >>> 0 >= SRAM_BYTES) break;
            ram32[(a & 0xfffff) >> 2] = R[(op >> 8) & 7];
            done += 2; pc += 2;
            break step;
          }
          case LDR_SP: {
            const a = (R[13] + ((op & 0xff) << 2)) | 0;
            if ((a - 0x20000000) >>> 0 >= SRAM_BYTES) break;
            R[(op >> 8) & 7] = ram32[(a & 0xfffff) >> 2];
            done += 2; pc += 2;
            break step;
          }
          case ADR:
            R[(op >> 8) & 7] = (pc & ~3) + 4 + ((op & 0xff) << 2);
            done++; pc += 2;
            break step;
          case ADD_SP:
            R[(op >> 8) & 7] = R[13] + ((op & 0xff) << 2);
            done++; pc += 2;
            break step;
          case SP_ADD:
            R[13] = R[13] + ((op & 0x7f) << 2);
            done++; pc += 2;
            break step;
          case SP_SUB:
            R[13] = R[13] - ((op & 0x7f) << 2);
            done++; pc += 2;
            break step;
          case SXTH:
            R[op & 7] = (R[(op >> 3) & 7] << 16) >> 16;
            done++; pc += 2;
            break step;
          case SXTB:
            R[op & 7] = (R[(op >> 3) & 7] << 24) >> 24;
            done++; pc += 2;
            break step;
          case UXTH:
            R[op & 7] = R[(op >> 3) & 7] & 0xffff;
            done++; pc += 2;
            break step;
          case UXTB:
            R[op & 7] = R[(op >> 3) & 7] & 0xff;
            done++; pc += 2;
            break step;
          case PUSH: {
            const list = op & 0xff, count = BITS[list];
            const start = (R[13] - 4 * (count + ((op >> 8) & 1))) | 0;
            if ((start - 0x20000000) >>> 0 >= SRAM_BYTES - 64) break;
            let at = (start & 0xfffff) >> 2;
            for (let i = 0; i < 8; i++) if (list & (1 << i)) ram32[at++] = R[i];
            if (op & 0x100) ram32[at] = R[14];
            R[13] = start;
            done += 1 + count; pc += 2;
            break step;
          }
          case POP: {
            const list = op & 0xff, count = BITS[list], start = R[13];
            if ((start - 0x20000000) >>> 0 >= SRAM_BYTES - 64) break;
            let at = (start & 0xfffff) >> 2;
            if (op & 0x100) {
              const target = ram32[at + count];
              if (target >>> 28 === 15) break; // the end of an exception
              pc = target & ~1;
              done += 3 + count;
              R[13] = start + 4 * (count + 1);
            } else {
              done += 1 + count; pc += 2;
              R[13] = start + 4 * count;
            }
            for (let i = 0; i < 8; i++) if (list & (1 << i)) R[i] = ram32[at++];
            break step;
          }
          case REV: {
            const x = R[(op >> 3) & 7];
            R[op & 7] = (x << 24) | ((x & 0xff00) << 8) | ((x >> 8) & 0xff00) | (x >>> 24);
            done++; pc += 2;
            break step;
          }
          case REV16: {
            const x = R[(op >> 3) & 7];
            R[op & 7] = ((x & 0x00ff00ff) << 8) | ((x >>> 8) & 0x00ff00ff);
            done++; pc += 2;
            break step;
          }
          case REVSH: {
            const x = R[(op >> 3) & 7];
            R[op & 7] = ((x << 24) >> 16) | ((x >> 8) & 0xff);
            done++; pc += 2;
            break step;
          }
          case STM: {
            const list = op & 0xff, base = (op >> 8) & 7, start = R[base];
            if ((start - 0x20000000) >>> 0 >= SRAM_BYTES - 64) break;
            let at = (start & 0xfffff) >> 2;
            for (let i = 0; i < 8; i++) if (list & (1 << i)) ram32[at++] = R[i];
            const count = BITS[list];
            if (!(list & (1 << base))) R[base] = start + 4 * count;
            done += 1 + count; pc += 2;
            break step;
          }
          case LDM: {
            const list = op & 0xff, base = (op >> 8) & 7, start = R[base];
            const count = BITS[list];
            if ((start - 0x20000000) >>> 0 < SRAM_BYTES - 64) {
              let at = (start & 0xfffff) >> 2;
              for (let i = 0; i < 8; i++) if (list & (1 << i)) R[i] = ram32[at++];
            } else if (start >>> 24 === 0x10) {
              let at = (start & 0xffffff) >> 2;
              for (let i = 0; i < 8; i++) if (list & (1 << i)) R[i] = flash32[at++];
            } else break;
            if (!(list & (1 << base))) R[base] = start + 4 * count;
            done += 1 + count; pc += 2;
            break step;
          }
          case B_COND: {
            let taken;
            switch ((op >> 9) & 7) {
              case 0: taken = z === 0; break;
              case 1: taken = c === 1; break;
              case 2: taken = n < 0; break;
              case 3: taken = v < 0; break;
              case 4: taken = c === 1 && z !== 0; break;
              case 5: taken = (n ^ v) >= 0; break;
              default: taken = z !== 0 && (n ^ v) >= 0; break;
            }
            if (op & 0x100) taken = !taken;
            if (taken) {
              pc += ((op << 24) >> 23) + 4;
              done += 2;
            } else {
              done++; pc += 2;
            }
            break step;
          }
          case B:
            pc += ((op << 21) >> 20) + 4;
            done += 2;
            break step;
          case BL: {
            const at = pc + 2;
            const low = page === 0x10 ? flash16[(at & 0xffffff) >> 1]
              : page === 0x20 ? ram16[(at & 0xfffff) >> 1] : rom16[(at & 0x3fff) >> 1];
            if ((low & 0xd000) !== 0xd000) break;
            const s = (op >> 10) & 1;
            const i1 = 1 ^ s ^ ((low >> 13) & 1), i2 = 1 ^ s ^ ((low >> 11) & 1);
            const offset = (s ? -(1 << 24) : 0) | (i1 << 23) | (i2 << 22) | ((op & 0x3ff) << 12) |
              ((low & 0x7ff) << 1);
            R[14] = (pc + 4) | 1;
            pc += 4 + offset;
            done += 3;
            break step;
          }
          case NOP:
            done++; pc += 2;
            break step;
        }
        // All else: by rp2040js' own core, with its clock set right before.
        clock.tick(done * NANOS_PER_CYCLE);
        core.N = n < 0; core.Z = z === 0; core.C = c === 1; core.V = v < 0;
        R[15] = pc;
        done = core.executeInstruction();
        pc = R[15];
        n = core.N ? -1 : 0; z = core.Z ? 0 : 1; c = core.C ? 1 : 0; v = core.V ? -1 : 0;
        limit = 0; // look at alarms and interrupts
      }
    }
  };
}
