"""linkpost.aio's client under orders, on either runtime, as `client_driver.py` for the other one.

Beside each call runs a task that counts its own rounds, one each 10 ms where nobody blocks it.
"""

import json
import sys

from linkpost import App, Config, LinkpostError
from linkpost import Client as BlockingClient

assert App and BlockingClient
# What linkpost and its usual names have loaded.
before = sorted(name for name in sys.modules if name in ("asyncio", "linkpost.aio"))

import asyncio  # noqa: E402

from linkpost.aio import Client  # noqa: E402

_ROUND_S = 0.01


class _Rounds:
    """Counts what a task of the person's own gets to do."""

    def __init__(self):
        self.count = 0

    async def run(self):
        while True:
            await asyncio.sleep(_ROUND_S)
            self.count += 1


async def _publish(client, order):
    payload = order["data"].encode() if "data" in order else b"0" * order["zeros"]
    call = client.publish(order["topic"], payload, order["deadline_ms"])
    if "cancel_s" not in order:
        return {"id": await call}
    try:
        return {"id": await asyncio.wait_for(call, order["cancel_s"])}
    except asyncio.TimeoutError:  # noqa: UP041  MicroPython has no other name for it
        return {"cancelled": True, "connected": client._connection.phase != 0}


async def _together(client, order):
    calls = [client.publish(order["topic"], data.encode()) for data in order["all"]]
    return {"ids": await asyncio.gather(*calls)}


async def _with_a_block(client, order):
    async with client:
        await client.open()
        found = await client.publish_file(order["topic"], order["path"])
    return {"id": found, "connected": client._connection.phase != 0}


async def _run(client, order):
    rounds = _Rounds()
    task = asyncio.create_task(rounds.run())
    try:
        if order["do"] == "publish":
            answer = await _publish(client, order)
        elif order["do"] == "together":
            answer = await _together(client, order)
        elif order["do"] == "with":
            answer = await _with_a_block(client, order)
        elif order["do"] == "close":
            await client.close()
            answer = {}
        elif order["do"] == "loaded":
            answer = {"before": before}
        else:
            raise ValueError(order["do"])
    except LinkpostError as error:
        answer = {"error": type(error).__name__, "code": getattr(error, "code", None)}
    task.cancel()
    answer["rounds"] = rounds.count
    return answer


client = Client(Config.load("config.json"))
print("ready")
for line in sys.stdin:
    print(json.dumps(asyncio.run(_run(client, json.loads(line)))))
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()
