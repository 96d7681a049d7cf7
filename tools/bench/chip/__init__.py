"""What linkpost costs on MicroPython's own Pico W build: bytes of heap, cycles of its clock."""
