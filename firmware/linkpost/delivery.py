"""Sending what waits in the outbox: in order, one request a step, singly or in batches.

Rules (PROTOCOL.md, "A refused message is quarantined only after a later one was accepted"):
  1. The oldest waiting reading goes first. It is acknowledged when the platform has accepted it,
     and the outbox moves its cursor once per accepted request.
  2. A refused batch is sent again reading by reading: one bad reading must not condemn others.
  3. A refused reading is set aside only when a later one has been accepted. To find out, the
     newest waiting reading is tried: is it accepted, then topic and identity are right, and what
     was refused is refused for its own sake. Is it refused as well, nothing is set aside: the
     topic may be wrong for all, so all are kept, and the log says what to check.
  4. The newest reading, once accepted ahead of its turn, is not sent again when its turn comes.
     A power cut in between sends it twice; a receiver drops the second by (stream, seq).
"""

from .clock import Deadline
from .errors import RejectedError
from .protocol.payloads import ALINK, encode_alink, encode_json


class Delivery:
    """Brings the outbox's readings to the platform.

    Args: port, config, client, outbox, log. `accepted` counts readings accepted since boot.
    """

    def __init__(self, port, config, client, outbox, log):
        self._port = port
        self._config = config
        self._client = client
        self._outbox = outbox
        self._log = log
        self.accepted = 0
        self._proof = 0  # the highest seq accepted since boot
        self._ahead = 0  # a seq accepted ahead of its turn; 0: none
        self._singly = 0  # up to this seq readings travel alone

    def step(self, deadline_ms: int) -> bool:
        """Send one request's worth; return whether more waits.

        Raises: LinkpostError when nothing could be accepted now; all of it still waits.
        """
        reading = self._outbox.oldest()
        if reading is None:
            return False
        seq = reading[0]
        if seq == self._ahead:
            self._outbox.acknowledge(seq)
            return self._outbox.pending > 0
        # One deadline over all of it: a peer that stalls each request cannot reset it.
        deadline = Deadline(self._port, deadline_ms)
        # The connection first, while the heap is whole; then what it is to carry.
        self._client.open(deadline_ms)
        if self._config.batch_bytes and seq > self._singly:
            self._send_batch(deadline)
        else:
            self._send_one(reading, deadline)
        return self._outbox.pending > 0

    def _send_one(self, reading, deadline):
        seq = reading[0]
        try:
            self._publish(self._encode(reading), deadline, seq, 1)
        except RejectedError as error:
            if self._proof < seq:
                self._prove(seq, error, deadline)
            self._log.warning("send", "refused reading set aside", "seq", seq, "code", error.code)
            self._outbox.quarantine(seq, "%d %s" % (error.code, error.message))
            return
        self._took(seq)

    def _prove(self, seq, refusal, deadline):
        # Rule 3: returns where a later reading is accepted, raises where none is.
        newest = self._outbox.newest()
        if newest is None or newest[0] == seq:
            self._explain(refusal)
            raise refusal
        try:
            self._publish(self._encode(newest), deadline, newest[0], 1)
        except RejectedError as error:
            self._explain(error)
            raise
        self._proof = self._ahead = newest[0]

    def _explain(self, error):
        self._log.error(
            "send",
            "topic refused, readings kept",
            "code",
            error.code,
            "topic",
            self._config.topic,
            "check",
            "topic exists in the console and this device may publish to it",
        )

    def _send_batch(self, deadline):
        limit = self._config.batch_bytes
        parts = []
        size = 1  # the bracket; each reading adds itself and a comma or the other bracket
        last = 0
        for reading in self._outbox.readings():
            text = self._encode(reading)
            if parts and (size + len(text) + 1 > limit or reading[0] == self._ahead):
                break
            parts.append(text)
            size += len(text) + 1
            last = reading[0]
            if size >= limit:
                break
        try:
            self._publish(b"[" + b",".join(parts) + b"]", deadline, last, len(parts))
        except RejectedError as error:
            self._log.warning("send", "batch refused, sending singly", "code", error.code)
            self._singly = last
            return
        self._took(last)

    def _publish(self, payload, deadline, seq, count):
        started = self._port.ticks_ms()
        message_id = self._client.publish(self._config.topic, payload, deadline.left_ms())
        self.accepted += count
        ms = self._port.ticks_diff(self._port.ticks_ms(), started)
        if count == 1:
            self._log.info("send", "accepted", "seq", seq, "ms", ms, "id", message_id)
        else:
            self._log.info("send", "accepted", "seq", seq, "count", count, "ms", ms)

    def _took(self, seq):
        self._proof = max(self._proof, seq)
        self._outbox.acknowledge(seq)

    def _encode(self, reading):
        seq, unix_ms, values = reading
        if self._config.format == ALINK:
            return encode_alink(seq, unix_ms, values).encode()
        return encode_json(self._outbox.stream, seq, unix_ms, values).encode()
