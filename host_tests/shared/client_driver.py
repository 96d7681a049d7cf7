"""A real `Client` under orders, on either runtime: one JSON order a line in, one answer out.

Runs in a folder with config.json and certs/*.der, as on a board's flash.
"""

import gc
import json
import sys

from linkpost.client import Client
from linkpost.config import Config
from linkpost.errors import LinkpostError


class _Zeros:
    """A large body that is nowhere in memory; it can be rewound, as a file can."""

    def __init__(self, length):
        self._length = length
        self._left = length

    def __len__(self):
        return self._length

    def seek(self, at):
        self._left = self._length - at

    def readinto(self, buffer):
        count = min(len(buffer), self._left)
        for i in range(count):
            buffer[i] = 48
        self._left -= count
        return count


def _run(client, order):
    if order["do"] == "publish":
        payload = order["data"].encode() if "data" in order else _Zeros(order["zeros"])
        return {"id": client.publish(order["topic"], payload, order["deadline_ms"])}
    if order["do"] == "close":
        client.close()
        return {}
    if order["do"] == "heap":
        gc.collect()
        return {"alloc": gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0}
    raise ValueError(order["do"])


client = Client(Config.load("config.json"))
print("ready")
for line in sys.stdin:
    try:
        answer = _run(client, json.loads(line))
    except LinkpostError as error:
        answer = {
            "error": type(error).__name__,
            "message": str(error),
            "retry": error.retry,
            "code": getattr(error, "code", None),
            "reason": getattr(error, "reason", None),
        }
    print(json.dumps(answer))
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()
