"""What the app stands on, without hardware, network or flash: time passes only when it sleeps."""

import json
import struct

from linkpost.app import App
from linkpost.config import Config
from linkpost.log import Log
from linkpost.ports import Port


class Slept(BaseException):
    """Deep sleep or a reset ended this life of the board."""


class FakePort(Port):
    """A board whose clock is right and whose time is a number."""

    name = "fake"
    can_light_sleep = True
    can_deep_sleep = True
    has_temperature = False
    has_radio = False
    watchdog_max_ms = None
    retained_bytes = 12

    def __init__(self, cause="power on", retained=None, unix_ms=1_800_000_000_000):
        self.now = 0
        self.fed = 0
        self.longest_unfed_ms = 0
        self._fed_at = 0
        self.cause = cause
        self._retained = retained or bytes(12)
        self._unix_ms = unix_ms
        self.slept = []
        self.watchdog_ms = None
        self.fed_for = []
        self._random = 0

    def uptime_ms(self):
        return self.now

    def unix_ms(self):
        return self._unix_ms + self.now

    def set_unix_ms(self, unix_ms):
        self._unix_ms = unix_ms - self.now

    def _pass(self, ms):
        self.now += ms
        unfed = self.now - self._fed_at
        if unfed > self.longest_unfed_ms:
            self.longest_unfed_ms = unfed

    def sleep_ms(self, ms):
        assert 0 <= ms <= 500, ms
        self._pass(ms)

    def light_sleep(self, ms):
        self.slept.append(("light", ms))
        self.now += ms
        self.feed()

    def deep_sleep(self, ms):
        self.slept.append(("deep", ms))
        raise Slept

    def start_watchdog(self, ms):
        self.watchdog_ms = ms

    def feed(self):
        self.fed += 1
        self._fed_at = self.now

    def feed_for(self, ms):
        self.fed_for.append(ms)

    def reset(self):
        self.slept.append(("reset", 0))
        raise Slept

    def reset_cause(self):
        return self.cause

    def retained(self):
        return self._retained

    def retain(self, data):
        self._retained = bytes(data)

    def unique_id(self):
        return b"\x01\x02"

    def heap_free(self):
        return 100_000

    def heap_largest(self):
        return None

    def heap(self, probe=False):
        return {"total": 200_000, "free": 100_000, "largest": 40_000}

    def tls_memory(self):
        return 100_000, None

    def clock_marked(self):
        return True

    def mark_clock(self, right):
        pass

    def station(self):
        return None

    def stop_station(self):
        pass

    def wifi_rssi(self):
        return None

    def random_bytes(self, length):
        # Fair and repeatable: a counter that walks through all values.
        self._random = (self._random * 73 + 41) & 0xFFFFFF
        return self._random.to_bytes(3, "big")[:length]


class FakeOutbox:
    """An outbox in RAM, with what `Delivery` and `App` use of it."""

    stream = "0badcafe"
    newest_unix_ms = 0
    max_bytes = 1 << 20

    def __init__(self):
        self.waiting = []
        self.quarantined_seqs = []
        self.reasons = []
        self.next_seq = 1
        self.dropped = 0
        self.synced = 0
        self.times = []

    @property
    def pending(self):
        return len(self.waiting)

    @property
    def quarantined(self):
        return len(self.quarantined_seqs)

    def append(self, values, unix_ms, uptime_ms=None):
        self.waiting.append((self.next_seq, unix_ms, values))
        self.next_seq += 1
        return self.next_seq - 1

    def oldest_frame(self):
        # No more of a frame than its seq.
        return struct.pack("<BHI", 0, 0, self.waiting[0][0]) if self.waiting else None

    def reading(self, frame):
        return self.waiting[0]

    def newest(self):
        return self.waiting[-1] if self.waiting else None

    def readings(self):
        return iter(self.waiting)

    def acknowledge(self, seq):
        self.waiting = [reading for reading in self.waiting if reading[0] > seq]

    def quarantine(self, seq, reason=""):
        self.quarantined_seqs.append(seq)
        self.reasons.append(reason)
        self.waiting = [reading for reading in self.waiting if reading[0] != seq]

    def set_time(self, unix_ms_at_boot):
        self.times.append(unix_ms_at_boot)

    def sync(self):
        self.synced += 1


class FakeClient:
    """Takes payloads; `answer` (payload, number of the call) may raise."""

    def __init__(self, port, answer=None, takes_ms=50):
        self._port = port
        self._answer = answer
        self._takes_ms = takes_ms
        self.sent = []  # (time, topic, payload)
        self.opened = 0
        self.closed = 0

    def open(self, deadline_ms=0):
        assert deadline_ms > 0
        self.opened += 1

    def publish(self, topic, payload, deadline_ms=0):
        assert deadline_ms > 0
        self._port.now += self._takes_ms
        self.sent.append((self._port.now, topic, payload))
        if self._answer:
            self._answer(payload, len(self.sent))
        return "1207967842654323713"

    def date(self):
        return None

    def close(self):
        self.closed += 1


class Stop(BaseException):
    """Ends a run that has no other end."""


def app_config(**more):
    data = {
        "endpoint": "platform.example",
        "product_key": "pk1",
        "device_name": "dev1",
        "device_secret": "secret",
        "sensors": [{"type": "simulated"}],
    }
    data.update(more)
    return Config(data)


class Board:
    """An app over fakes that stops after `until_ms`."""

    def __init__(self, until_ms=3_600_000, answer=None, port=None, sensors=(), **config):
        self.port = port or FakePort()
        self.client = FakeClient(self.port, self._answer)
        self.outbox = FakeOutbox()
        self.lines = []
        self._until_ms = until_ms
        self._scripted = answer
        log = Log(self.port, self._write)
        self.app = App(
            app_config(**config),
            sensors,
            port=self.port,
            client=self.client,
            outbox=self.outbox,
            log=log,
        )

    def _write(self, line):
        self.lines.append(line)

    def _answer(self, payload, number):
        if self._scripted:
            self._scripted(payload, number)

    def run(self, reports=None):
        feed = self.port.feed

        def feed_or_stop():
            feed()
            if self.port.now > self._until_ms:
                raise Stop

        self.port.feed = feed_or_stop
        try:
            self.app.run(reports)
        except (Stop, Slept):
            pass
        return self

    def sent(self):
        return [json.loads(payload) for _, _, payload in self.client.sent]

    def has(self, text):
        return [line for line in self.lines if text in line]
