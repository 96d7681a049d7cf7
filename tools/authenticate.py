"""A real authentication from the laptop, by the firmware's own session: nothing is published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools import board_files, failures, firmware
from tools.failures import CommandError

_DEADLINE_MS = 30_000


def authenticate(config: dict[str, Any], ca: Path | None) -> None:
    """Prove endpoint and triple with `POST /auth`; return where the platform gave a token.

    Args: config: as in config.json; ca: a PEM file of further trust anchors.
    Raises: CommandError with the firmware's words, and the exit code for its error.
    """
    anchors = list(board_files.anchors(ca).values())
    firmware.enable_imports()
    from linkpost.clock import Deadline
    from linkpost.config import Config
    from linkpost.errors import TLS_UNTRUSTED, LinkpostError
    from linkpost.net.blocking import connect, exchange
    from linkpost.net.transport import Transport
    from linkpost.ports.host import HostPort
    from linkpost.protocol.http import Reply
    from linkpost.protocol.session import SEND_AUTH, SEND_TOPIC, Credentials, Session

    checked: Any = Config(config)
    credentials = Credentials(
        checked.host_header,
        checked.product_key,
        checked.device_name,
        checked.device_secret,
        checked.client_id,
        checked.sign_method,
    )
    port = HostPort()
    session = Session(credentials)
    transport = Transport(checked.host, checked.port_number, anchors, port)
    reply = Reply()
    buffer = bytearray(4096)
    action = session.publish(checked.topic, 1)
    deadline = Deadline(port, _DEADLINE_MS)
    while action == SEND_AUTH:
        reply.clear()
        try:
            if not transport.connected:
                connect(transport, deadline)
            length = session.request_into(action, buffer)
            exchange(transport, buffer, length, None, 0, reply, deadline)
            action = session.answer(reply)
        except LinkpostError as error:
            reused = transport.reused
            transport.close()
            action = session.failed(error, reply.started, reused)
    transport.close()
    if action != SEND_TOPIC:
        refusal = session.error
        message = str(refusal)
        if ca is None and getattr(refusal, "reason", "") == TLS_UNTRUSTED:
            message += " (for this check, a CA is given with --ca)"
        raise CommandError(message, failures.exit_code_of(type(refusal).__name__))
