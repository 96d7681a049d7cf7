# The start-up program: load the config, build, run.
import gc
import sys

# Before any other import: what importing leaves behind is collected every few KB. Collected only
# when the heap is full, it would sit in small pieces between what stays, with no piece large
# enough for TLS (the soak: boards needed 280 KB of the unix port's heap, and so 180 KB).
if hasattr(gc, "threshold"):  # CPython has none
    gc.threshold(8192)

if sys.platform == "esp32":
    # Before the heap would grow by itself, and take what TLS needs; it stays as large for as long
    # as `grown` does (linkpost/ports/esp32_heap.py).
    from linkpost.loader import load

    try:
        grown = load("ports.esp32_heap").grow()
    except Exception:  # noqa: S110  a MicroPython without threads, for one: no boot fails by this
        pass

from linkpost import App, Config  # noqa: E402
from linkpost.boot import run  # noqa: E402

run(lambda: App(Config.load("config.json")).run())
