"""A Pico W on the desk: MicroPython's own build on an emulated RP2040. See docs/chip.md."""
