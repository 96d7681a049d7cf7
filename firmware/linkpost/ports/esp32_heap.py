"""A plain ESP32's heap, made to grow once, by a known step, before it would by accident.

MicroPython's heap starts at 56,000 bytes there. When it is full it grows by as much as it has, or
by the largest block of the IDF heap, and that memory is gone for Wi-Fi and TLS, which live in the
IDF heap: an App that lets it happen never gets a report out. So it is made to grow by 24 KB, to
81,920 in all, which leaves TLS what it needs: 30 of 30 reports, with 16.9 KB of a user's own.
Tried on MicroPython's own build 1.27 in an emulator of the chip.

How: a growth takes the largest IDF block, so all that is larger than the step is taken first, as
stacks of threads that wait for a lock; then small pieces are allocated until the heap is larger.
The last piece lies in what it grew by, and keeps it: a part that is empty is given back. Then the
threads end, and their stacks are the IDF heap's again. It takes 40 ms.

Loaded by main.py before all else, on ESP32 only; `"grow_heap": false` in config.json switches it
off. Nothing is done on S2, S3, C3, C6 and with SPIRAM: there it was not measured.

Not run on an ESP32 by us.
"""

import _thread
import gc
import json
import sys
import time

import esp32
from micropython import const

_config = "config.json"

_STEP_BYTES = const(24 * 1024)
# The largest block is brought under the step and this; one thread alone left 50 KB after a soft
# reset, when the IDF heap is cut otherwise.
_OVER_BYTES = const(4096)
# Of a thread's stack, less than what is to be taken: its own administration comes on top.
# A stack of the least size may leave a little less than the step.
_LEAST_BYTES = const(22 * 1024)
_STACK_LESS_BYTES = const(2048)
_STACK_MIN_BYTES = const(4096)
_THREADS_MAX = const(8)
_PIECE_WORDS = const(55)  # 240 bytes with what a list takes itself
_PIECES_MAX = const(512)
_END_MS = const(20)  # until the threads have ended and the idle task has freed their stacks
# A heap that is larger has grown already; an IDF block that is larger is SPIRAM.
_START_MAX_BYTES = const(64_000)
_BLOCK_MAX_BYTES = const(200_000)


def grow():
    """Let the heap grow where that is right; return what has to be kept for as long as it should
    stay, or None. Whatever goes wrong, the boot goes on: with the heap as it is."""
    try:
        if _is_plain() and _is_wanted():
            return _grow()
    except Exception:  # noqa: S110  no failure of this stops a boot; the boot's log says the heap
        pass
    return None


def _is_plain():
    # "Generic ESP32 module with ESP32"; "... with SPIRAM with ESP32"; "... with ESP32S3".
    machine = sys.implementation._machine
    return (
        machine.split(" ")[-1] == "ESP32"
        and "SPIRAM" not in machine
        and _largest_block() < _BLOCK_MAX_BYTES
        and _heap_size() < _START_MAX_BYTES
    )


def _is_wanted():
    try:
        with open(_config) as file:
            return json.load(file).get("grow_heap") is not False
    except (OSError, ValueError):
        return True  # the boot says what is wrong with it


def _largest_block():
    return max([region[2] for region in esp32.idf_heap_info(esp32.HEAP_DATA)])


def _heap_size():
    # mem_free counts the largest block of the IDF heap, by which the heap could grow, as its own.
    return gc.mem_alloc() + gc.mem_free() - _largest_block()


def _grow():
    gc.collect()
    size = _heap_size()
    lock = _thread.allocate_lock()
    lock.acquire()
    try:
        _take_all_but_the_step(lock)
        if _largest_block() < _LEAST_BYTES:
            return None
        piece = _fill(size)
    finally:
        _thread.stack_size(0)
        lock.release()
        time.sleep_ms(_END_MS)
    gc.collect()
    return piece if _heap_size() > size else None


def _take_all_but_the_step(lock):
    for _ in range(_THREADS_MAX):
        largest = _largest_block()
        if largest < _STEP_BYTES + _OVER_BYTES:
            return
        _thread.stack_size(max(_STACK_MIN_BYTES, largest - _STEP_BYTES - _STACK_LESS_BYTES))
        _thread.start_new_thread(_wait, (lock,))
    raise MemoryError


def _wait(lock):
    with lock:  # and on to the next that waits
        pass


def _fill(size):
    """Allocate until the heap is larger than `size`; return the last piece, alone."""
    piece = None
    for _ in range(_PIECES_MAX):
        piece = _piece(piece)
        if _heap_size() > size:
            piece[0] = None
            return piece
    raise MemoryError


def _piece(before):
    piece = [None] * _PIECE_WORDS
    piece[0] = before
    return piece
