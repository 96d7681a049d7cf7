# Typed at the chip's raw REPL, with `run([(module, test), ...])` behind it. Before each test it
# prints \x01 and its name, after a passed one \x02, as micropython_runner.py does; and at the end
# of each \x06 and how many ms it took by the chip's own clock.
import gc
import sys
from time import ticks_diff, ticks_ms


def run(tests):
    for module, name in tests:
        try:
            gc.collect()
            print("\x01" + name)
            start = ticks_ms()
            try:
                getattr(__import__(module), name)()
                print("\x02")
            except (Exception, KeyboardInterrupt) as error:
                sys.print_exception(error)
            print("\x06%d" % ticks_diff(ticks_ms(), start))
        except KeyboardInterrupt as error:  # meant for the test before
            try:
                sys.print_exception(error)
            except KeyboardInterrupt:  # so was this
                print("KeyboardInterrupt")
