"""The demo: emulator, console page, and a virtual board that reports into it."""
