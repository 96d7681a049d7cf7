"""Runs the named tests of one portable module under MicroPython; see conftest.py.

Before each test it prints \\x01 and its name, after a passed one \\x02.
"""

import sys

module = __import__(sys.argv[1])
failed = False
for name in sys.argv[2:]:
    print("\x01" + name)
    try:
        getattr(module, name)()
        print("\x02")
    except Exception as error:
        failed = True
        sys.print_exception(error)
if failed:
    sys.exit(1)
