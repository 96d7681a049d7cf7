"""A board's App under orders, with a hostile platform: one JSON order a line in, one answer out.

Runs in a folder with config.json and certs/*.der. Every reading goes through the outbox; nothing
between App and socket is faked. The port can be told to let its clock jump.
"""

import gc
import json
import os
import sys
import time

import linkpost.net.connecting
from linkpost.app import App
from linkpost.client import Client
from linkpost.config import Config
from linkpost.errors import LinkpostError
from linkpost.log import Log
from linkpost.ports.host import HostPort
from linkpost.storage.tokens import TokenStore


class JumpyPort(HostPort):
    """A host port whose clock can be set, and jumps by `jump_ms` at the third feed of a request.

    longest_ms   the longest time without a feed; silenced_ms, for how long the watchdog was to
                 be kept quiet during one call, at most
    """

    def __init__(self):
        super().__init__()
        self.offset_ms = 0
        self.begin(0)
        self._marked = True

    def begin(self, jump_ms):
        self._jump_ms = jump_ms
        self._feeds = 0
        self.longest_ms = self.silenced_ms = 0
        self._last = self.uptime_ms()

    def unix_ms(self):
        return super().unix_ms() + self.offset_ms

    def set_unix_ms(self, unix_ms):
        self.offset_ms = unix_ms - super().unix_ms()

    def clock_marked(self):
        return self._marked

    def mark_clock(self, right):
        self._marked = right

    def feed(self):
        now = self.uptime_ms()
        self.longest_ms = max(self.longest_ms, now - self._last)
        self._last = now
        self._feeds += 1
        if self._feeds == 3:
            self.offset_ms += self._jump_ms

    def feed_for(self, ms):
        self.silenced_ms = max(self.silenced_ms, ms)


class Zeros:
    """A large body that is nowhere in memory."""

    def __init__(self, length):
        self._length = self._left = length

    def __len__(self):
        return self._length

    def seek(self, at):
        self._left = self._length - at

    def readinto(self, buffer):
        count = min(len(buffer), self._left)
        buffer[:count] = b"0" * count
        self._left -= count
        return count


class SilentNames:
    """In place of `socket`: a resolver that gives up after that long, as the unix port's does."""

    SOCK_STREAM = 1

    def __init__(self, ms):
        self._ms = ms

    def getaddrinfo(self, *_):
        time.sleep(self._ms / 1000)
        raise OSError("[addrinfo error -3]")


class Board:
    def __init__(self):
        self.config = Config.load("config.json")
        self.port = JumpyPort()
        log = Log(self.port, lambda line: None)
        self.client = Client(self.config, port=self.port, log=log)
        self.app = App(self.config, port=self.port, client=self.client, log=log)

    def send(self, order):
        """Store a reading, and try to send what waits."""
        seq = self.app.append({"n": 1})
        return self._try(order, seq, lambda: self.app.drain(order["deadline_ms"]))

    def drain(self, order):
        """Send what waits."""
        return self._try(order, None, lambda: self.app.drain(order["deadline_ms"]))

    def publish(self, order):
        """Publish a large body directly."""
        body = Zeros(order["zeros"])
        topic = order.get("topic", self.config.topic)
        return self._try(
            order, None, lambda: self.client.publish(topic, body, order["deadline_ms"])
        )

    def _try(self, order, seq, call):
        self.port.begin(order.get("jump_ms", 0))
        names = linkpost.net.connecting.socket
        if "names_ms" in order:
            linkpost.net.connecting.socket = SilentNames(order["names_ms"])
        start = self.port.uptime_ms()
        answer = {"seq": seq, "error": None, "words": "", "ours": True}
        try:
            answer["returned"] = call()
        except Exception as error:
            answer["error"] = type(error).__name__
            answer["words"] = str(error)
            answer["ours"] = isinstance(error, LinkpostError)
            answer["retry"] = getattr(error, "retry", None)
        linkpost.net.connecting.socket = names
        answer["ms"] = self.port.uptime_ms() - start
        answer["longest_ms"] = self.port.longest_ms
        answer["silenced_ms"] = self.port.silenced_ms
        connection = self.client._connection
        answer["open"] = connection.phase != 0 or connection.socket is not None
        answer["pending"] = self.app.pending
        answer["lost"] = self.app.dropped + self.app.quarantined
        return answer

    def rest(self, order):
        """Close what is kept; return heap and open files."""
        self.client.close()
        gc.collect()
        gc.collect()
        return {"heap": gc.mem_alloc(), "files": len(os.listdir("/dev/fd"))}

    def clock(self, order):
        """Set how far the clock is off, where that is said; return what it shows."""
        self.port.offset_ms = order.get("offset_ms", self.port.offset_ms)
        return {"unix_ms": self.port.unix_ms()}

    def config_error(self, order):
        """Return the error of a config with those values, "" where it is taken."""
        with open("config.json") as file:
            values = json.load(file)
        values.update(order["values"])
        try:
            Config(values)
        except LinkpostError as error:
            return {"error": "%s: %s" % (type(error).__name__, error)}
        return {"error": ""}

    def keep_token(self, order):
        """Put that token on flash and boot; return what is found."""
        config = self.config
        identity = config.product_key, config.device_name, config.device_secret, config.endpoint
        store = TokenStore("other_token", identity)
        store.save(order["token"])
        return {"token": store.load()}


board = Board()
print("ready")
for line in sys.stdin:
    order = json.loads(line)
    print(json.dumps(getattr(board, order["do"])(order)))
