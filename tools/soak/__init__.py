"""`make soak`: virtual boards in an ESP32's heap, and an emulator where all goes wrong at random.

__main__.py   the command line
run.py        one soak: trouble for a while, then peace until every board has drained
boards.py     a virtual board that is cut, killed and stopped, again and again
trouble.py    the platform's side: faults, restarts, expired tokens
journal.py    what a board's log promised
account.py    promises against what arrived
report.py     the closing table
"""
