"""`linkpost send --readings`: readings that were rescued are delivered, as their device.

What was accepted stands in FILE.sent, beside the file, and on the disk, before the next one is
sent: so the same command continues after whatever has ended it. One that was accepted and not
written down any more is sent twice; a receiver tells by outbox id and seq, as of a board.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import firmware
from ..client.authenticate import MemoryRoots, NoTokens
from ..client.growing_pause import growing_pause
from ..client.tls_messages import explain
from ..files import locked_file
from ..firmware import board_files
from ..firmware.outbox_copy import Reading
from ..outbox import saved_readings
from ..terminal import failures
from ..terminal.counted_progress import Counter, counted
from ..terminal.failures import CommandError

_TRIES = 5
_FIRST_S, _LONGEST_S = 1.0, 30.0
_THROTTLED_FIRST_S, _THROTTLED_LONGEST_S = 4.0, 120.0
_THROTTLED_TRIES = 10
# So many refused in a row, and none accepted after them: the topic is wrong, not the readings.
_REFUSED_IN_A_ROW = 3


def send_readings(
    file: Path, config_values: dict[str, Any], ca: Path | None, topic: str | None
) -> int:
    """Deliver what `linkpost outbox --save` wrote; return the exit code.

    Args: config_values: as in config.json; topic: the config's where it is None.
    Raises: CommandError; its exit code says what stopped it.
    """
    saved = saved_readings.read(file)
    config = _config(config_values)
    device = f"{config.product_key}/{config.device_name}"
    if saved.device not in (None, device):
        raise CommandError(
            f"--readings: {file} holds readings of {saved.device}, and --config is {device}'s: "
            "give that device's"
        )
    content = file.read_bytes()
    with Sent(Path(f"{file}.sent"), content, device) as sent:
        left = [one for one in saved.readings if one.seq not in sent.seqs]
        with counted("delivered", len(saved.readings), len(sent.seqs)) as counter:
            if saved.device is None:
                counter.note(
                    f"the file does not say whose readings these are: sending them as {device}'s"
                )
            client = _client(config, ca)
            work = _Delivery(client, config, topic or config.topic, saved.stream, sent, counter)
            try:
                refused = work.run(left, ca)
            except KeyboardInterrupt:
                counter.note(_standing(sent, len(saved.readings)))
                raise
            finally:
                client.close()
        print(_standing(sent, len(saved.readings)))
        for seq, why in sent.refused.items():
            print(f"seq={seq} refused: {why}")
        if refused:
            raise CommandError(
                f"{len(refused)} readings were refused ({refused[-1][1]}), and none after them "
                "was accepted: check the topic in the console and --topic, then run it again",
                failures.REFUSED,
            )
    last = saved.readings[-1].seq
    print(
        "If the board is still in use: linkpost outbox "
        f"--forget-through {last} --outbox-id {saved.stream}"
    )
    return failures.REFUSED if sent.refused else failures.DONE


def _standing(sent: Sent, total: int) -> str:
    accepted = len(sent.seqs) - len(sent.refused)
    more = f", {len(sent.refused):,} refused" if sent.refused else ""
    end = "" if len(sent.seqs) == total else "; the same command continues"
    return f"{accepted:,} of {total:,} readings delivered{more}{end}"


class Sent:
    """The progress file; use it in a `with` block.

    Attributes: seqs, those that are done; refused, the platform's message by seq, of them.
    Raises: CommandError where it is of other readings, in use, or cannot be written.
    """

    def __init__(self, path: Path, readings: bytes, device: str):
        self.path = path
        self.seqs: set[int] = set()
        self.refused: dict[int, str] = {}
        head = {"readings_sha256": hashlib.sha256(readings).hexdigest(), "device": device}
        try:
            self._file = locked_file.open_locked(path, "a+b")
        except locked_file.InUse as error:
            raise CommandError(f"{path} is in use by another linkpost") from error
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from error
        try:
            self._read(head)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Sent:
        return self

    def __exit__(self, *details: object) -> None:
        self._file.close()

    def accepted(self, seq: int, message_id: str | None) -> None:
        """Note a reading that the platform has accepted; on the disk when this returns."""
        self._append({"seq": seq, "id": message_id})

    def refuse(self, seq: int, why: str) -> None:
        """Note a reading that is refused for its own sake."""
        self._append({"seq": seq, "refused": why})

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        try:
            locked_file.append(self._file, line)
        except OSError as error:
            raise CommandError(f"cannot write {self.path}: {error.strerror}") from error
        self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        seq = record.get("seq")
        if isinstance(seq, int):
            self.seqs.add(seq)
            if "refused" in record:
                self.refused[seq] = str(record["refused"])

    def _read(self, head: dict[str, str]) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole, _, rest = content.rpartition(b"\n")
        if rest:  # cut off by a crash: that reading is sent again
            self._file.truncate(len(content) - len(rest))
        records = [self._parse(line) for line in whole.splitlines()]
        if not records:
            self._append(head)
            return
        if records[0] != head:
            raise CommandError(
                f"{self.path} belongs to other readings or another device: move it away, or give "
                "the file and the config that it was started with"
            )
        for record in records[1:]:
            self._take(record)

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError as error:
            raise CommandError(f"{self.path} is damaged: move it away") from error
        return found if isinstance(found, dict) else {}


class _Delivery:
    """Sends readings in order, one by one, with the firmware's client."""

    def __init__(
        self, client: Any, config: Any, topic: str, stream: str, sent: Sent, counter: Counter
    ):
        self._client = client
        self._topic = topic
        self._sent = sent
        self._counter = counter
        self._encode = _encoder(config, stream)
        self._failures = 0

    def run(self, readings: list[Reading], ca: Path | None) -> list[tuple[int, str]]:
        """Return what was refused without any later one being accepted: (seq, why) of each."""
        from linkpost.errors import RejectedError

        refused: list[tuple[int, str]] = []
        for reading in readings:
            try:
                message_id = self._send(reading, ca)
            except RejectedError as error:
                refused.append((reading.seq, str(error)))
                if len(refused) >= _REFUSED_IN_A_ROW:
                    return refused
                continue
            # Topic and identity are right, so what was refused is refused for its own sake.
            for seq, why in refused:
                self._sent.refuse(seq, why)
                self._counter.advance()
            refused.clear()
            self._sent.accepted(reading.seq, message_id)
            self._counter.advance()
        return refused

    def _send(self, reading: Reading, ca: Path | None) -> str | None:
        from linkpost.errors import AuthError, LinkpostError, RejectedError, TLSError

        payload = self._encode(reading)
        while True:
            try:
                message_id = self._client.publish(self._topic, payload)
            except RejectedError:
                raise
            except LinkpostError as error:
                self._failures += 1
                throttled = error.retry == "long"
                tries = _THROTTLED_TRIES if throttled else _TRIES
                final = isinstance(error, (AuthError, TLSError)) or error.retry == "never"
                if final or self._failures >= tries:
                    raise _failure(error, ca) from error
                first, longest = _FIRST_S, _LONGEST_S
                if throttled:
                    first, longest = _THROTTLED_FIRST_S, _THROTTLED_LONGEST_S
                pause_s = growing_pause(self._failures, first, longest)
                self._counter.note(f"seq={reading.seq} {error}; again in {pause_s:.0f} s")
                time.sleep(pause_s)
                continue
            self._failures = 0
            return message_id


def _failure(error: Exception, ca: Path | None) -> CommandError:
    message = explain(str(error), getattr(error, "reason", None), ca)
    return CommandError(message, failures.exit_code_of(type(error).__name__))


def _config(values: dict[str, Any]) -> Any:
    firmware.enable_imports()
    from linkpost.config import Config

    return Config(values)


def _encoder(config: Any, stream: str) -> Callable[[Reading], bytes]:
    from linkpost.protocol.payloads import encode_json

    if config.format == "alink":
        from linkpost.protocol.alink import encode_alink

        return lambda one: _encoded(encode_alink, stream, one.seq, one.unix_ms, one.values)
    return lambda one: _encoded(encode_json, stream, one.seq, one.unix_ms, one.values)


def _encoded(encode: Callable[..., str], *arguments: Any) -> bytes:
    return encode(*arguments).encode()


def _client(config: Any, ca: Path | None) -> Any:
    from linkpost.client import Client
    from linkpost.net import Connection
    from linkpost.ports.host import HostPort

    port = HostPort()
    roots = board_files.root_certificates(ca)
    connection = Connection(config.host, config.port_number, port, lambda: MemoryRoots(roots))
    return Client(config, port, NoTokens(), connection)
