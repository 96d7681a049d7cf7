"""`linkpost flash`: MicroPython onto a new board; its image downloaded, checked and written."""
