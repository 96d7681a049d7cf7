"""The longest block of the loop while linkpost.aio publishes. Prints one JSON object, in us.

Runs on the unix port, against an emulator that may have been told to drip. Another task does
nothing but come again at once: how long it had to wait is what linkpost kept to itself. Told apart
by where the connection was before and after: what touches the handshake is whole inside mbedTLS.
"""

import asyncio
import json
import os
import time

from linkpost.aio import Client
from linkpost.config import Config
from linkpost.errors import LinkpostError
from linkpost.ports.host import HostPort

OPTIONS = json.loads(os.getenv("LINKPOST_OPTIONS"))
# As Connection.phase: closed, connecting (with look-up and anchors), handshake, sending, sent.
_CONNECTING = 1
_HANDSHAKE = 2


async def main():
    config = Config(OPTIONS["config"])
    client = Client(config, port=HostPort())
    connection = client._connection
    longest = {"connect": 0, "handshake": 0, "request": 0}
    rounds = 0

    async def look():
        nonlocal rounds
        while True:
            phase = connection.phase
            at = time.ticks_us()
            await asyncio.sleep(0)
            us = time.ticks_diff(time.ticks_us(), at)
            rounds += 1
            phases = phase, connection.phase
            if _HANDSHAKE in phases:
                name = "handshake"
            elif phases[1] == _CONNECTING:
                name = "connect"
            else:
                name = "request"
            longest[name] = max(longest[name], us)

    task = asyncio.create_task(look())
    await asyncio.sleep(0)  # it looks before the first connection is begun
    try:
        for length in OPTIONS["lengths"]:
            await client.publish(config.topic, bytes(length), OPTIONS["deadline_ms"])
            if OPTIONS["fresh"]:
                await client.close()
    except LinkpostError as error:
        longest["error"] = type(error).__name__
    task.cancel()
    await client.close()
    longest["rounds"] = rounds
    print(json.dumps(longest))


asyncio.run(main())
