// The board's serial port over USB, seen from the computer it is plugged into.
import { USBCDC } from "./node_modules/rp2040js/dist/esm/usb/cdc.js";

/** rp2040js' CDC host, but a read of the board's waits until there is something to read. Its own
 * answers at once with nothing, so that the board handles an interrupt every 10 us for ever. */
export class Console extends USBCDC {
  constructor(usb, onData) {
    super(usb);
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
