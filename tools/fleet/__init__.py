"""Many simulated devices in one process, to try an emulator or a backend of one's own under load.

command -> run -> {board, console, report}; board -> driver. A board is the firmware's own session
and transport under CPython; what it leaves out is flash: its readings wait in RAM. All boards
share one event loop, so their number is bounded by what one core can do.
"""
