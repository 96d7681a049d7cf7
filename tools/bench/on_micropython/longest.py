"""The longest single call into the transport while a peer drips. Prints one JSON object, in us.

Runs on the unix port, against an emulator that was told to drip. Each step of the transport is one
call that nothing interrupts: no deadline, no watchdog is looked after meanwhile.
"""

import json
import os
import time

from linkpost.client import read_anchors
from linkpost.config import Config
from linkpost.errors import LinkpostError
from linkpost.net.transport import READY, Transport
from linkpost.ports.host import HostPort
from linkpost.protocol.http import Reply
from linkpost.protocol.session import Credentials, Session

OPTIONS = json.loads(os.getenv("LINKPOST_OPTIONS"))


def main():
    config = Config(OPTIONS["config"])
    port = HostPort()
    session = Session(
        Credentials(
            config.host_header,
            config.product_key,
            config.device_name,
            config.device_secret,
            config.client_id,
            config.sign_method,
        )
    )
    transport = Transport(config.host, config.port_number, read_anchors, port)
    buffer = bytearray(2048)
    reply = Reply()
    action = session.publish(config.topic, 1)
    started = time.ticks_ms()
    longest = {"connect": 0, "handshake and send": 0, "receive": 0}

    def drive(name, step, *arguments):
        while time.ticks_diff(time.ticks_ms(), started) < OPTIONS["ms"]:
            at = time.ticks_us()
            want = step(*arguments)
            longest[name] = max(longest[name], time.ticks_diff(time.ticks_us(), at))
            if want == READY:
                return True
            transport.poll(want, 50)
        return False

    try:
        if drive("connect", transport.connect_step):
            transport.begin(buffer, session.request_into(action, buffer))
            if drive("handshake and send", transport.write_step):
                drive("receive", transport.read_step, reply)
    except LinkpostError as error:
        longest["error"] = type(error).__name__
    transport.close()
    print(json.dumps(longest))


if __name__ == "__main__":
    main()
