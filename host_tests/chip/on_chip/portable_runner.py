# Typed at the chip's raw REPL, with `run([(module, test), ...])` behind it. Before each test it
# prints \x01 and its name, after a passed one \x02, as micropython_runner.py does.
import gc
import sys


def run(tests):
    for module, name in tests:
        gc.collect()
        print("\x01" + name)
        try:
            getattr(__import__(module), name)()
            print("\x02")
        except (Exception, KeyboardInterrupt) as error:
            sys.print_exception(error)
