"""A board without hardware: the firmware on MicroPython's unix port, with flash and resets."""
