// Runs random instructions, one at a time, on rp2040js' own core and by our table of instructions,
// from the same registers, flags and memory; both have to end in the same ones.
//   node compare_cores.mjs FOLDER COUNT SEED        FOLDER: the emulator, installed
import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";

const [folder, count, seed] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${folder}/${name}`).href);
const { RP2040, ConsoleLogger, LogLevel } = await load("node_modules/rp2040js/dist/esm/index.js");
const { SimulationClock } = await load("node_modules/rp2040js/dist/esm/clock/simulation-clock.js");
const { fastRunner } = await load("fast_core.mjs");
console.warn = () => {};

const CODE = 0x20000100;
const DATA = 0x20010000;
let pool = Buffer.alloc(0), block = 0, at = 0;
function random(below) {
  if (at + 4 > pool.length) {
    pool = createHash("sha512").update(`${seed} ${block++}`).digest();
    at = 0;
  }
  const word = pool.readUInt32LE(at);
  at += 4;
  return word % below;
}
// Numbers at the edges are where flags go wrong.
const EDGES = [0, 1, 2, 31, 32, 33, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff];
const value = () => (random(3) ? random(0x100000000) : EDGES[random(EDGES.length)]);

function machine() {
  const clock = new SimulationClock();
  const mcu = new RP2040(clock);
  mcu.logger = new ConsoleLogger(LogLevel.Error + 1);
  return { clock, mcu, mustStop: false };
}
const plain = machine();
const fast = machine();
const run = fastRunner(fast);

// Register shifts by nothing or by more than a word: rp2040js' carry is not the manual's.
function isKnownDifference(op, state) {
  const kind = (op >> 6) & 15;
  if (op >> 10 !== 0b010000) return false;
  const m = state.registers[(op >> 3) & 7];
  if ([2, 3, 4, 7].includes(kind)) return (m & 0xff) === 0 || (m & 0xff) > 31;
  // It adds the carry to an operand first, which then is one too far at either end.
  const atTheEnd = (x) => x === 0xffffffff || x === 0x7fffffff;
  return (kind === 5 || kind === 6) && (atTheEnd(m) || atTheEnd(state.registers[op & 7]));
}

function set({ mcu }, state, op, low) {
  const { core } = mcu;
  core.registers.set(state.registers);
  [core.N, core.Z, core.C, core.V] = state.flags;
  core.PC = CODE;
  core.waiting = false;
  mcu.sramView.setUint16(CODE - 0x20000000, op, true);
  mcu.sramView.setUint16(CODE - 0x20000000 + 2, low, true);
  for (let i = -64; i < 64; i++) mcu.sramView.setUint32(DATA - 0x20000000 + 4 * i, state.memory[i + 64], true);
}

function look({ mcu }, cycles) {
  const { core } = mcu;
  const memory = createHash("sha1").update(mcu.sram.subarray(0xff00, 0x11000)).digest("hex");
  return JSON.stringify([[...core.registers], core.N, core.Z, core.C, core.V, cycles, memory]);
}

let different = 0, tried = 0;
while (tried < Number(count)) {
  const op = random(0x10000);
  if (op >> 11 === 0b11101 || op >> 12 === 0xf || op >> 8 === 0xbe || op >> 8 >= 0xde && op >> 8 <= 0xdf) continue;
  // Changes of mode and what waits are rp2040js' own in both; so is what it does not know.
  if (op >> 8 === 0xbf || op >> 8 === 0xb6 || op >> 8 === 0xb1 || op >> 8 === 0xb3 || op >> 9 === 0x5c || op >> 8 === 0xb7 || op >> 8 === 0xb9 || op >> 8 === 0xbb) continue;
  if (op >> 6 === 0b1011101010 || (op >> 8 === 0x47 && op & 7)) continue;
  const registers = Array.from({ length: 16 }, value);
  // What is used as an address lies in the data; the rest is any number.
  const isMemory = op >> 12 >= 5 && op >> 12 <= 9 || op >> 12 === 0xc || op >> 12 === 0xb;
  if (isMemory) for (let i = 0; i < 8; i++) registers[i] = op >> 12 === 5 ? (i === ((op >> 3) & 7) ? DATA : 4 * random(16)) : DATA + 4 * random(16);
  registers[13] = DATA + 4 * random(8);
  registers[15] = CODE;
  const state = {
    registers,
    flags: [random(2), random(2), random(2), random(2)].map(Boolean),
    memory: Array.from({ length: 128 }, () => (random(2) ? CODE + 4 * random(64) + 1 : random(0x10000000))),
  };
  if (op >> 12 === 5 && ((op >> 6) & 7) === ((op >> 3) & 7)) continue; // twice the address
  if (isKnownDifference(op, state)) continue;
  set(plain, state, op, 0);
  set(fast, state, op, 0);
  const cycles = plain.mcu.core.executeInstruction();
  const before = fast.clock.nanos;
  run(8);
  const here = look(plain, cycles), there = look(fast, Math.round((fast.clock.nanos - before) / 8));
  if (here !== there && different++ < 5) {
    console.log(`${op.toString(16)} from ${JSON.stringify([registers, state.flags])}\n  rp2040js ${here}\n  ours     ${there}`);
  }
  tried++;
}
console.log(`${tried} instructions, ${different} different`);
process.exit(different ? 1 : 0);
