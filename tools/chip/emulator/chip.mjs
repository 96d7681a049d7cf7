// One RP2040 with flash, console, random bits and network; it runs in slices.
import { RP2040, LogLevel, ConsoleLogger } from "./node_modules/rp2040js/dist/esm/index.js";
import { SimulationClock } from "./node_modules/rp2040js/dist/esm/clock/simulation-clock.js";
import { connectFlash } from "./flash_memory.mjs";
import { Console } from "./console.mjs";
import { RingOscillator } from "./random.mjs";
import { NetworkPeripheral } from "./network.mjs";

// rp2040js tells on the console what it does not have, such as the FIFO to the second processor.
console.warn = () => {};

const NANOS_PER_CYCLE = 8; // 125 MHz
const FLASH_START = 0x10000000;
const PERIPHERAL = { rosc: 0x40060, watchdog: 0x40058, network: 0x50400 };

// The temperature sensor's reading, the ADC's fifth channel: 0.706 V of 3.3 V in 12 bits (RP2040
// data sheet, 4.9.5).
const TEMPERATURE_CHANNEL = 4;
const AT_27_DEGREES = 876;

// Why a slice ended.
export const MORE = "more"; // its share is used up
export const IDLE = "idle"; // the processor sleeps until an alarm
export const RESET = "reset";
export const OFF = "off";

/** Returns what `fastRunner` does, by rp2040js' own core alone: slow, to compare with. */
function plainRunner(chip) {
  const { clock } = chip;
  const { core } = chip.mcu;
  return (nanos) => {
    const end = clock.nanos + nanos;
    while (clock.nanos < end && !core.waiting && !chip.mustStop) {
      clock.tick(core.executeInstruction() * NANOS_PER_CYCLE);
    }
  };
}

/** The chip from one reset to the next. */
export class Chip {
  /** @param {object} parts bootrom (Uint32Array), flash (FlashMemory), randomByte, network,
   *   onConsole(bytes), fastRunner (without one rp2040js' core does it all), and from the life
   *   before: scratch, reason of the watchdog */
  constructor(parts) {
    this.clock = new SimulationClock();
    const mcu = new RP2040(this.clock);
    this.mcu = mcu;
    mcu.logger = new ConsoleLogger(LogLevel.Error);
    mcu.loadBootrom(parts.bootrom);
    mcu.flash.set(parts.flash.content);
    parts.flash.content = mcu.flash.subarray(0, parts.flash.content.length);
    connectFlash(mcu, parts.flash);
    mcu.peripherals[PERIPHERAL.rosc] = new RingOscillator(mcu, parts.randomByte);
    this.network = new NetworkPeripheral(mcu, parts.network);
    mcu.peripherals[PERIPHERAL.network] = this.network;
    this.console = new Console(mcu.usbCtrl, this.clock, parts.onConsole);
    this.watchdog = mcu.peripherals[PERIPHERAL.watchdog];
    if (parts.scratch) this.watchdog.scratchData.set(parts.scratch);
    this.watchdog.reason = parts.reason ?? 0;
    mcu.adc.channelValues[TEMPERATURE_CHANNEL] = AT_27_DEGREES;
    this.isOff = false;
    this.isResetting = false;
    this.watchdog.onWatchdogTrigger = () => {
      this.isResetting = true;
      // rp2040js' alarm would be due again at the same moment, for ever.
      this.watchdog.alarm.enable = false;
    };
    mcu.core.PC = FLASH_START;
    this.runFast = (parts.fastRunner ?? plainRunner)(this);
  }

  get nanos() {
    return this.clock.nanos;
  }

  /** Runs for about that much chip time; returns why it stopped. */
  run(nanos) {
    this.runFast(nanos);
    return this.isOff ? OFF : this.isResetting ? RESET : this.mcu.core.waiting ? IDLE : MORE;
  }

  /** Whether what was asked for a moment ago ends this slice. */
  get mustStop() {
    return this.isOff || this.isResetting;
  }

  get nanosToAlarm() {
    return this.clock.nanosToNextAlarm;
  }

  /** Lets time pass while the processor sleeps, to the next alarm at most. */
  sleep(nanos) {
    this.clock.tick(Math.min(nanos, this.clock.nanosToNextAlarm));
  }
}
