"""How quick the console's queries are: `python -m tools.emulator.measure --messages 100000`.

Fills a database through the platform itself, without TLS, and times each query of the page, ten
times: the median and the longest, in ms. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..client.devices_csv import Triple
from .export import export_pages
from .platform import Platform, Policy
from .queries import Queries
from .request import Request
from .retention import Keep, Retention
from .store import Store

_DEVICES = 50
_TIMES = 10
_BUSY = 0.5  # the first device's share of all messages
_HEAD = b"POST /topic HTTP/1.1\r\nHost: localhost\r\npassword: " + b"0" * 200 + b"\r\n\r\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    count = parser.parse_args().messages
    with tempfile.TemporaryDirectory(prefix="linkpost-measure-") as folder:
        json.dump(_measure(Path(folder) / "emulator.db", count), sys.stdout, indent=2)
        print()
    return 0


def _measure(path: Path, count: int) -> dict[str, Any]:
    store = Store(path)
    clock_ms = time.time_ns() // 1_000_000 - count * 100
    platform = Platform(store, Policy(), now_ms=lambda: clock_ms)
    triples = [Triple("a1pk", f"sensor{n:03}", f"secret{n:03}") for n in range(_DEVICES)]
    platform.start(triples)
    devices = [store.find_device(*triple.key.split("/")) for triple in triples]
    with store.transaction():
        tokens = [
            store.issue_token(device, clock_ms, clock_ms + 10**10, void_others=False)
            for device in devices
            if device
        ]
    begin = time.perf_counter()
    seqs = [0] * _DEVICES
    for number in range(count):
        which = 0 if number < count * _BUSY else number % _DEVICES
        seqs[which] += 1
        clock_ms += 100
        _publish(platform, triples[which], tokens[which], seqs[which], clock_ms, number)
    filled_s = time.perf_counter() - begin
    queries = Queries(path)
    key = triples[0].key
    found = {
        "messages": count,
        "database_mb": round(path.stat().st_size / 1e6, 1),
        "accept_ms": round(filled_s / count * 1000, 3),
        "ms": {name: _time(call) for name, call in _calls(queries, key).items()},
    }
    begin = time.perf_counter()
    size = sum(len(page) for page in export_pages(queries, "csv"))
    found["export_csv_s"] = round(time.perf_counter() - begin, 2)
    found["export_csv_mb"] = round(size / 1e6, 1)
    found["retention"] = _forget(store, queries, count // 2)
    queries.close()
    store.close()
    return found


def _publish(
    platform: Platform, triple: Triple, token: str, seq: int, time_ms: int, number: int
) -> None:
    reading = {"stream": "9f2c41aa", "seq": seq, "time": time_ms, "temperature": number % 40,
               "humidity": number % 100, "word": f"w{number}"}  # fmt: skip
    topic = f"/topic/{triple.key}/user/{'update' if number % 100 else 'rare'}"
    if number % 50 == 7:  # refused
        topic = "/topic/a1pk/nobody/x"
    headers = {"content-type": "application/octet-stream", "password": token}
    request = Request("POST", topic, headers, json.dumps(reading).encode(), _HEAD)
    platform.answer(request, platform.identify(request), encode=lambda answer: b"x" * 300)


def _calls(queries: Queries, key: str) -> dict[str, Callable[[], Any]]:
    middle = queries.messages(limit=1).rows[0].id - (3000 << 20)
    return {
        "devices": queries.devices,
        "one device": lambda: queries.devices(key),
        "streams": lambda: queries.streams(key),
        "topics": queries.topics,
        "messages, newest 50": queries.messages,
        "messages, a page further down": lambda: queries.messages(before=middle),
        "messages of a device": lambda: queries.messages(device=key),
        "messages of a device, refused": lambda: queries.messages(device=key, code=30001),
        "messages with a code": lambda: queries.messages(code=30001),
        "messages of a topic": lambda: queries.messages(topic=f"/{key}/user/rare"),
        "messages with a common text": lambda: queries.messages(text="temperature"),
        "messages with a text that is nowhere": lambda: queries.messages(text="nowhere"),
        "chart of all, 2,000 points": lambda: queries.series(key),
        "authentications": lambda: queries.authentications(device=key),
    }


def _time(call: Callable[[], Any]) -> dict[str, float]:
    taken = []
    for _ in range(_TIMES):
        begin = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begin) * 1000)
    return {"median": round(statistics.median(taken), 2), "longest": round(max(taken), 2)}


def _forget(store: Store, queries: Queries, keep: int) -> dict[str, Any]:
    """Forget half; the longest time in which the loop could do nothing else."""

    async def run() -> tuple[int, float]:
        retention = Retention(store, queries, Keep(messages=keep))
        tidying = asyncio.create_task(retention.tidy(time.time_ns() // 1_000_000))
        longest = 0.0
        while not tidying.done():
            begin = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - begin)
        return await tidying, longest

    begin = time.perf_counter()
    gone, longest = asyncio.run(run())
    return {
        "forgotten": gone,
        "seconds": round(time.perf_counter() - begin, 2),
        "longest_block_ms": round(longest * 1000, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
