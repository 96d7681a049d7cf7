"""What the chip is and has: its id, its pins, and how much of its memory is free.

Loaded when asked for (`Port.__getattr__`), and called as methods of the port.

Tried with fakes that behave as docs/porting.md says, not on hardware yet: the file
host_tests/contract/port_contract.py runs on a board.
"""

import gc

from micropython import const

from ..loader import load

# As exact as the largest block is looked for.
_PROBE_BYTES = const(256)


def unique_id(port) -> bytes:
    """Return the chip's id (its MAC address on esp32)."""
    return port._machine.unique_id()


def heap_free(port) -> int:
    """Return free heap in bytes, collected; on esp32 of the GC heap and the IDF heap together."""
    found = heap(port)
    return found["free"] + found.get("idf_free", 0)


def heap_largest(port):
    """Return the largest free block in bytes that TLS can have, or None where none can tell.

    A TLS socket needs 17 KB in one piece.
    """
    return port.tls_memory()[1]


def pin(port, pin):
    """Return the `machine.Pin` of a number or name. Raises: ValueError where there is none."""
    return port._machine.Pin(pin)


def led(port, pin):
    """Return a function that switches the LED on that pin: 1 on, 0 off.

    Raises: ValueError where there is no such pin.
    """
    return port._machine.Pin(pin, port._machine.Pin.OUT).value


def analog(port, pin):
    """Return a function that reads the pin's voltage in microvolts (int).

    Raises: ValueError where the pin has no ADC.
    """
    adc = port._machine.ADC
    if port.name == "rp2":
        # What is returned keeps its module, which has nothing else.
        return load("ports.rp2_analog").reader(adc(port._machine.Pin(pin)))
    # 11 dB: the whole range the pin can take, about 0.1 to 3.1 V, in calibrated microvolts.
    return adc(port._machine.Pin(pin), atten=adc.ATTN_11DB).read_uv


def heap(port, probe: bool = False) -> dict:
    """Return bytes of memory: total and free of MicroPython's heap, collected.

    With `probe` its largest block, too, which takes some 100 ms to find. On esp32 that would make
    the heap grow: instead there are always idf_free and idf_largest (block) of the heap that
    Wi-Fi, sockets and TLS live in.
    """
    if not hasattr(gc, "mem_alloc"):  # CPython has no bound to report
        return {"total": 0, "free": 0}
    gc.collect()
    found = {"free": gc.mem_free()}
    if port.name == "esp32":
        found["idf_free"], found["idf_largest"] = port.tls_memory()
        # mem_free counts the largest IDF block, by which the heap may grow, as its own.
        found["free"] -= found["idf_largest"]
    elif probe:
        found["largest"] = _largest_block(found["free"])
    found["total"] = gc.mem_alloc() + found["free"]
    return found


def _largest_block(free):
    # By halves: each that there is no room for costs a collection.
    least = 0
    while free - least > _PROBE_BYTES:
        size = (least + free) // 2
        try:
            bytearray(size)
            least = size
        except MemoryError:
            free = size
    gc.collect()
    return least
