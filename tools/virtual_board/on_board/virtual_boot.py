"""What starts on the virtual board before `main.py`, in place of a chip's own `_boot.py`.

It mounts the flash at `/` (on MicroPython, where the host's files are out of reach from then on),
gives the firmware a port with a `machine`, runs `/main.py` as it is, and tells the supervisor how
it ended. Its options are JSON in an environment variable, made by `supervisor.py`: an argument of
more than 255 bytes ends MicroPython's unix port with a fatal error.
"""

import json
import os
import sys
import time

import machine
import virtual_control

# A Ctrl-C that was typed before our last message was read is still on its way that long.
_LATE_CTRL_C_MS = 20


def _power_up(options):
    machine.power_up(
        options["watchdog_max_ms"],
        options["retained_bytes"],
        options["can_deep_sleep"],
        options["cause"],
        options["retained"],
    )


def _mount_flash(options):
    """Make the image the root of the file system, and return the flash."""
    import vfs
    from virtual_flash import FileFlash

    flash = FileFlash(
        options["flash"],
        options["block_size"],
        options["block_count"],
        options["cut_at"],
        options["wear"],
    )
    size = options["prog_size"]
    littlefs = vfs.VfsLfs2(flash, readsize=options["read_size"], progsize=size, lookahead=32)
    vfs.umount("/")
    vfs.mount(littlefs, "/")
    # As on a chip: the working folder, what is frozen in, the library.
    sys.path[:] = ["", ".frozen", "/lib"]
    return flash


def _use_folder(options):
    """Make the folder the working folder, and import from it before anything else."""
    os.chdir(options["flash"])
    sys.path[:0] = [options["flash"], options["flash"] + "/lib"]


def _use_port(life):
    """Let the firmware find this board when it asks which chip it runs on."""
    from linkpost import ports
    from linkpost.ports.host import HostPort

    class BoardPort(HostPort):
        def feed(self):
            # Called between all steps: the moment to say what was accepted meanwhile, so that a
            # life that the watchdog ends still counts.
            super().feed()
            life.say_progress()

    port = BoardPort(machine)
    ports.detect = lambda: port


def _watch(life, reports):
    """Replace the two names `main.py` uses by ones that remember what became of them.

    Why here and not in the firmware: the firmware has no use for it. Both are the firmware's own
    classes, and a count of reports is `run(reports=...)`, as anyone may call it.
    """
    import linkpost
    from linkpost.app import App
    from linkpost.config import Config

    class WatchedConfig(Config):
        @staticmethod
        def load(*arguments, **named):
            return life.remember(Config.load, arguments, named)

    class WatchedApp(App):
        def __init__(self, *arguments, **named):
            life.remember(super().__init__, arguments, named)
            life.app = self

        def run(self, *arguments, **named):
            if reports and not arguments:
                named["reports"] = reports
            return life.remember(super().run, arguments, named)

    linkpost.Config = WatchedConfig
    linkpost.App = WatchedApp


class _Life:
    """What this start of the board came to."""

    def __init__(self):
        self.app = None
        self.flash = None
        self.error = None
        self._accepted = 0

    def remember(self, function, arguments, named):
        """Call it; keep the error that comes out of it, which `main.py` only logs."""
        try:
            return function(*arguments, **named)
        except Exception as error:
            self.error = error
            raise

    def say_progress(self):
        if self.app and self.app.accepted != self._accepted:
            self._accepted = self.app.accepted
            virtual_control.say("counts", **self.counts())

    def counts(self):
        names = ("accepted", "quarantined", "pending", "dropped")
        counts = {name: getattr(self.app, name, 0) for name in names}
        last = getattr(self.app, "last_error", None)
        counts["last_error"] = type(last).__name__ if last else None
        flash = self.flash
        if flash:
            counts["wear"] = (flash.erases, flash.programs, flash.programmed_bytes)
        return counts


def main(options):
    """Start the board; says `end` when `main.py` has returned. Does not return."""
    life = _Life()
    virtual_control.counts = life.counts
    _power_up(options)
    interrupted = False
    try:
        if options["block_count"]:
            life.flash = _mount_flash(options)
        else:
            _use_folder(options)
        _use_port(life)
        _watch(life, options["reports"])
        with open("main.py") as file:
            program = compile(file.read(), "main.py", "exec")
        exec(program, {"__name__": "__main__"})  # noqa: S102  as a chip does
    except KeyboardInterrupt:
        interrupted = True
    except Exception as error:
        life.error = error
        if hasattr(sys, "print_exception"):
            sys.print_exception(error, sys.stderr)
        else:
            sys.excepthook(type(error), error, error.__traceback__)
    cause = life.error
    virtual_control.end(
        "end",
        interrupted=interrupted,
        error=type(cause).__name__ if cause else None,
        message=str(cause) if cause else None,
    )


def to_repl(names):
    """Start the board as one with a REPL: boot.py and main.py if they are there, then return.

    Args: names: the REPL's own, in which both run. A traceback of theirs goes to the REPL, as on
    a chip. Nothing of the firmware is imported here: a truncated .mpy would hang the board.
    """
    names.clear()
    names["__name__"] = "__main__"
    options = json.loads(os.getenv("LINKPOST_OPTIONS"))
    _power_up(options)
    try:
        flash = _mount_flash(options)
    except OSError as error:
        # Never on to a REPL: the root is still this machine's.
        virtual_control.end("no file system", message=str(error))
    virtual_control.counts = lambda: {
        "wear": (flash.erases, flash.programs, flash.programmed_bytes)
    }
    try:
        # From here on Ctrl-C is the program's. A soft reset in the raw REPL skips main.py.
        virtual_control.say("main starts")
        if _run_file("boot.py", names) and not options["in_raw_repl"]:
            _run_file("main.py", names)
    finally:
        virtual_control.say("main ended")
        try:  # noqa: SIM105  MicroPython has no contextlib
            time.sleep_ms(_LATE_CTRL_C_MS)
        except KeyboardInterrupt:
            pass


def _run_file(name, names):
    """Run a file if it is there; return whether the boot goes on."""
    try:
        os.stat(name)
    except OSError:
        return True
    try:
        with open(name) as file:
            program = compile(file.read(), name, "exec")
        exec(program, names)  # noqa: S102  as a chip does
    except SystemExit:
        raise
    except BaseException as error:
        sys.print_exception(error)
        return False
    return True


if __name__ == "__main__":
    main(json.loads(os.getenv("LINKPOST_OPTIONS", "{}")))
