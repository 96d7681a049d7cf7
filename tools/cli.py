"""The `linkpost` command. Each subcommand lives beside the code that does its work."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

import click

from .terminal import failures, standard_streams

# Where each command's click object is; imported when it is asked for, so that a command that
# talks to a board does not pay for the emulator, and works where a part is not installed.
_COMMANDS = {
    "demo": (".demo.command:demo", "Emulator, page and a virtual board: the first thing to try."),
    "emulator": (".emulator.command:emulator", "The platform on this machine, over TLS."),
    "board": (".board.command:board", "A virtual board: the firmware without hardware."),
    "send": (
        ".send.command:send",
        "Publish one message, to check endpoint and credentials.",
    ),
    "register": (".register.command:register", "Get device secrets by their product's secret."),
    "boards": (".boards.command:boards_command", "Connected and supported boards."),
    "flash": (".flash.command:flash", "Install MicroPython on a board."),
    "provision": (".provision.command:provision", "Write a board's config.json."),
    "deploy": (".deploy.command:deploy", "Install the firmware on a board, over USB."),
    "monitor": (".monitor.command:monitor", "Show a board's log, through resets and sleep."),
    "status": (".status.command:status", "Board status: version, memory, outbox, clock, Wi-Fi."),
    "outbox": (".outbox.command:outbox", "Waiting and quarantined readings of a board."),
    "certs": (
        ".certs.command:certs",
        "Root certificates: expiry, copies, an endpoint's chain.",
    ),
    "fleet": (".fleet.command:fleet", "Simulate many devices at once, against an emulator."),
    "image": (".image.command:image", "Make flash images for many boards."),
    "factory": (".factory.command:factory", "Set up one board after another, from a list."),
    "bench": (".bench.command:bench", "Measure linkpost's costs, beside `requests`."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module, __package__), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


def _version() -> str:
    from . import firmware

    return firmware.version()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.version_option(_version(), prog_name="linkpost")
def linkpost(debug: bool) -> None:
    """linkpost: sensor readings from ESP32 and Pico W into Alibaba Cloud IoT Platform.

    \b
    Example: linkpost emulator --device a1B2c3D4e5F,sensor01,0123456789abcdef
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit with a code of `failures`, one line on stderr, no traceback."""
    standard_streams.replace_what_they_lack()
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments or os.environ.get("LINKPOST_DEBUG") == "1"
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        code = linkpost.main(arguments, prog_name="linkpost", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else failures.DONE)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (KeyboardInterrupt, click.exceptions.Abort):
        sys.exit(failures.INTERRUPTED)
    except click.ClickException as error:
        error.show(sys.stderr)
        sys.exit(failures.USAGE)
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  the interpreter flushes it at exit
        sys.exit(failures.DONE)
    except Exception as error:
        if debug:
            traceback.print_exc()
        else:
            print(f"linkpost: {error or type(error).__name__}", file=sys.stderr)
        code = getattr(error, "exit_code", None)
        if code is None:
            code = failures.exit_code_of(type(error).__name__)
        if code == 1 and not debug and not isinstance(error, failures.CommandError):
            print("linkpost: this is unexpected; --debug shows where it happened", file=sys.stderr)
        sys.exit(code)
