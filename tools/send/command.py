"""`linkpost send`: one message from the desktop, by the firmware's own client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from .. import firmware
from ..client.tls_messages import explain
from ..firmware.board_files import load_config, root_certificates
from ..terminal import failures
from ..virtual_board import runtimes
from ..virtual_board.life import MARK
from .readings import send_readings

# As the board's log has it, where the platform refuses all messages.
TOPIC_CHECK = "topic exists, device may publish to it"


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="config.json")
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    help="PEM file of CAs to trust beside the platform's own, e.g. the emulator's.",
)
@click.option(
    "--topic", help="Where to publish; filled in as in config.json.  [default: the config's]"
)
@click.option("--data", help="The message, as text.")
@click.option("--file", type=click.Path(path_type=Path), help="The message: 1 to 131072 bytes.")
@click.option(
    "--readings",
    type=click.Path(path_type=Path),
    help="Deliver the readings of linkpost outbox --save; continues where it stopped.",
)
@click.option(
    "--runtime",
    type=click.Choice(runtimes.RUNTIMES),
    default=runtimes.MICROPYTHON,
    show_default=True,
    help="Interpreter of the firmware.",
)
def send(
    config: Path,
    ca: Path | None,
    topic: str | None,
    data: str | None,
    file: Path | None,
    readings: Path | None,
    runtime: str,
) -> int:
    """Publish one message, to check endpoint and credentials before flashing.

    Prints the platform's message id. With --readings it delivers the saved readings of a board; a
    file .sent beside them records what was accepted, so that the same command continues.

    \b
    Exit codes: 0 accepted, 2 configuration, 3 authentication refused,
    4 network or TLS, 5 refused by the service, 6 no answer in time.

    \b
    Example: linkpost send --config config.json --data '{"temperature": 21.5}'
             linkpost send --config config.json --readings readings.jsonl
    """
    if [data, file, readings].count(None) != 2:
        raise click.UsageError("give the message with --data or with --file, or use --readings")
    text, values = load_config(config)
    chosen = None if topic is None else _filled(topic, values)
    if readings is not None:
        return send_readings(readings, values, ca, chosen)
    with tempfile.TemporaryDirectory(prefix="linkpost-send-") as name:
        folder = Path(name)
        for path, content in root_certificates(ca).items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)
        if file is None:
            payload = folder / "payload"
            payload.write_bytes(os.fsencode(data or ""))
        else:
            payload = _readable(file)
        (folder / "config.json").write_bytes(text)
        options = {
            "config": str(folder / "config.json"),
            "topic": chosen,
            "payload": str(payload.absolute()),
            "streams": file is not None,
        }
        answer = _run(runtimes.choose(runtime), options, folder)
    if answer["what"] == "failed":
        error = answer["error"]
        message = explain(answer["message"] or error, answer["reason"], ca)
        if error == "RejectedError":
            message += f". Check: {TOPIC_CHECK}; it was sent to {answer['topic']}"
        raise failures.CommandError(message, failures.exit_code_of(error))
    if answer["message_id"] is None:
        print("linkpost: accepted; the platform gave no message id", file=sys.stderr)
    else:
        print(answer["message_id"])
    return failures.DONE


def _filled(topic: str, values: dict[str, Any]) -> str:
    """Fill in what a config's topic fills in."""
    for key in ("product_key", "device_name"):
        topic = topic.replace(f"{{{key}}}", values[key])
    return topic


def _run(runtime: str, options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what virtual_send.py says; pass on all else that it prints."""
    folders = [runtimes.ON_BOARD, firmware.package_dir().parent]
    process = runtimes.start_module(runtime, "virtual_send", options, folders, cwd=folder)
    try:
        output, errors = process.communicate()
    finally:
        _end(process)
    answer = None
    for line in errors.splitlines(keepends=True):
        if line.startswith(MARK):
            answer = json.loads(line[1:])
        else:
            output += line
    sys.stderr.write(output.decode(errors="replace"))
    if answer is None:
        raise failures.CommandError(
            f"the {runtime} process ended unexpectedly (status {process.returncode})", 1
        )
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def _readable(file: Path) -> Path:
    try:
        with file.open("rb"):
            return file
    except OSError as error:
        raise failures.CommandError(f"--file: cannot read {file}: {error.strerror}") from error
