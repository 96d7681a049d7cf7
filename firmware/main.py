# The composition root: load the config, build, run.
import gc

# Before any other import: what importing leaves behind is collected every few KB. Collected only
# when the heap is full, it would sit in small pieces between what stays, with no piece large
# enough for TLS (the soak: boards needed 280 KB of the unix port's heap, and so 180 KB).
if hasattr(gc, "threshold"):  # CPython has none
    gc.threshold(8192)

from linkpost import App, Config  # noqa: E402
from linkpost.boot import run  # noqa: E402

run(lambda: App(Config.load("config.json")).run())
