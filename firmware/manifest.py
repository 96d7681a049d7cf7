# For people who freeze linkpost into a MicroPython of their own: include this file from the
# board's manifest,
#
#     include("$(PORT_DIR)/boards/manifest.py")
#     include("/path/to/linkpost/firmware/manifest.py")
#
# and build with `make BOARD=... FROZEN_MANIFEST=...`. Frozen code runs from flash and takes no
# heap. What stays on the file system: main.py (the one beside this file), config.json, and the
# trust anchors, copied from linkpost/certs to /certs.
#
# Tried: MicroPython's unix port of 2026-08 (1.29), built with this manifest and run without TLS.
# Everything is found, what is loaded for a moment leaves nothing, and the modules of an App keep
# 19 KB of heap, not the 42 of .mpy files; a chip has half of both. Not built for a chip.
#
# All modules, whichever sensors a config names; opt=2 drops asserts, as deploy does. The version
# stands in linkpost/version.py only.

metadata(  # type: ignore[name-defined]  # noqa: F821
    description="Reports readings to Alibaba Cloud IoT Platform over HTTPS, and loses none",
    license="MIT",
)
package("linkpost", opt=2)  # type: ignore[name-defined]  # noqa: F821
