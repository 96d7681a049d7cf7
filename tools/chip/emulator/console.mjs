// The board's serial port over USB, seen from the computer it is plugged into.
import { USBCDC } from "./node_modules/rp2040js/dist/esm/usb/cdc.js";

const INTERRUPT_OF_FRAME = 1 << 17; // DEV_SOF in INTE and INTR (RP2040 data sheet, 4.1.4)
const FRAME_NUMBER = 0x48; // SOF_RD: who reads it has taken the interrupt
const FRAME_NANOS = 1e6;

/** rp2040js' CDC host, but a read of the board's waits until there is something to read. Its own
 * answers at once with nothing, so that the board handles an interrupt every 10 us for ever. */
export class Console extends USBCDC {
  constructor(usb, clock, onData) {
    super(usb);
    this.nextFrame = clock.createAlarm(() => {
      usb.intRaw |= INTERRUPT_OF_FRAME;
      usb.checkInterrupts();
    });
    const ownRegister = usb.readUint32.bind(usb);
    usb.readUint32 = (offset) => {
      if (offset === FRAME_NUMBER && usb.intRaw & INTERRUPT_OF_FRAME) {
        usb.intRaw &= ~INTERRUPT_OF_FRAME;
        usb.checkInterrupts();
      }
      return ownRegister(offset);
    };
    this.onSerialData = onData;
    this.isConnected = false;
    this.onDeviceConnected = () => {
      this.isConnected = true;
      this.#pass();
    };
    this.waiting = [];
    this.readBytes = 0;
    const ownRead = usb.onEndpointRead;
    usb.onEndpointRead = (endpoint, size) => {
      if (endpoint !== this.outEndpoint) {
        ownRead(endpoint, size);
        return;
      }
      this.readBytes = size;
      this.#pass();
    };
  }

  /** Begins a USB frame within a ms if the board has asked for them; tells whether. MicroPython
   * does from the moment that its port is opened, for some 100 frames: only then it sends what it
   * had printed before. A board with something to do sends it sooner, so a board asleep only. */
  beginFrame() {
    if (!(this.usb.intEnable & INTERRUPT_OF_FRAME) || !this.isConnected) return false;
    this.nextFrame.schedule(FRAME_NANOS);
    return true;
  }

  /** Types bytes. */
  send(bytes) {
    this.waiting.push(...bytes);
    this.#pass();
  }

  #pass() {
    if (!this.readBytes || !this.waiting.length || !this.isConnected) return;
    const piece = this.waiting.splice(0, this.readBytes);
    this.readBytes = 0;
    this.usb.endpointReadDone(this.outEndpoint, Uint8Array.from(piece));
  }
}
