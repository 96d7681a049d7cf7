"""The longest single call into the connection while a peer drips. Prints one JSON object, in us.

Runs on the unix port, against an emulator that was told to drip. Each step of the client is one
call that nothing interrupts: no deadline, no watchdog is looked after meanwhile.
"""

import json
import os
import time

from linkpost.client import Client
from linkpost.config import Config
from linkpost.errors import LinkpostError
from linkpost.ports.host import HostPort

# As Connection.phase.
_CONNECTING = 1
_HANDSHAKE = 2
OPTIONS = json.loads(os.getenv("LINKPOST_OPTIONS"))


class NoTokens:
    """It authenticates each time."""

    def load(self):
        return None

    def save(self, token):
        pass


def main():
    client = Client(Config(OPTIONS["config"]), port=HostPort(), tokens=NoTokens())
    connection = client._connection
    started = time.ticks_ms()
    longest = {"connect": 0, "handshake and send": 0, "receive": 0}
    steps = client.authenticating()
    try:
        while time.ticks_diff(time.ticks_ms(), started) < OPTIONS["ms"]:
            phase = connection.phase
            at = time.ticks_us()
            want = next(steps)
            us = time.ticks_diff(time.ticks_us(), at)
            name = "receive"
            if phase <= _CONNECTING:
                name = "connect"
            elif phase <= _HANDSHAKE:
                name = "handshake and send"
            longest[name] = max(longest[name], us)
            if want > 0:
                connection.poll(want, 50)
    except StopIteration:
        pass
    except LinkpostError as error:
        longest["error"] = type(error).__name__
    connection.close()
    print(json.dumps(longest))


if __name__ == "__main__":
    main()
