"""What runs before anything of the user's: the stand-ins, and the heap of the chip that is meant.

They go into `sys.modules`, so that `import socket` finds them; no file of the board has to know.
"""

import gc
import sys


def _start():
    gc.collect()
    bare = gc.mem_alloc()
    import chip_network

    registers = chip_network.call
    sys.modules["socket"] = chip_network
    sys.modules["network"] = chip_network.network
    if registers(15, 0, None, 0, 2):
        import chip_tls

        sys.modules["tls"] = chip_tls
    heap = registers(15, 0, None, 0, 1)
    if heap:
        import chip_heap
    gc.collect()
    kept = gc.mem_alloc() - bare
    if heap:
        # One block, before anything else is imported. What the stand-ins keep comes on top.
        taken = gc.mem_alloc() + gc.mem_free() - heap
        if taken > kept:
            chip_network.held = bytearray(taken - kept)
            chip_heap.gc.taken = taken
            sys.modules["gc"] = chip_heap.gc
            gc.collect()
        else:
            heap = 0  # as much as there is: nothing to take
    note = b"%d %d %d" % (kept, heap, gc.mem_free())
    registers(16, 0, note, len(note))


_start()
try:
    with open("/chip/boot.py") as _file:
        user = _file.read()
except OSError:
    user = ""  # there is none
