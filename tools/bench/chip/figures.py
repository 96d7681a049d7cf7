"""All figures of the chip, in one run: each job boots boards of its own."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ... import firmware
from ...terminal.failures import CommandError
from ..measure import CONFIG
from . import peaks, runs, timeline, unix_heap
from .code_lines import code_lines
from .result import mpy_files
from .runs import ChipError, Rig, Session

_HANDSHAKES = 20
_REPORTS = 25
_APPENDS = 1_000
_ENOUGH_REPORTS = 20
_ENOUGH_PUBLISHES = 30
_MANY_REPORTS = 200
_MANY_HEAP = 100_000
_HEAP_STEP = 1_024  # how fine the least heap is looked for
# Of 205,568 bytes, less what the stand-ins take.
_HEAP_RANGE = (24 * 1024, 190 * 1024)
_PEAKS = "peak above rest, by step"
_BARE = "heap kept by MicroPython and its REPL"
_TOPIC = "/a1B2c3D4e5F/sensor01/user/update"
_PAYLOAD = b'{"stream":"9f2c41aa","seq":17,"time":1524448722000,"temperature":21.5}'


@dataclass
class Figures:
    """`values` by key of BUDGETS; `details`, what stands behind them."""

    values: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


def collect(say: Callable[[str], None], long_reports: int, known: dict[str, float]) -> Figures:
    """Measure everything, two boards at a time.

    Args: long_reports, between the first and the last look at the largest block; known, the last
    figures, by which the least heaps are found sooner. Raises: CommandError where something does
    not work at all.
    """
    figures = Figures()
    _source(figures)
    jobs: list[tuple[str, Callable[[], None]]] = [
        ("an App at rest, TLS on the chip", lambda: _app(figures, long_reports)),
        ("least heap, TLS on the chip", lambda: _least(figures, "least.chip", False, known)),
        ("bare handshakes", lambda: _bare(figures)),
        ("reports, connection closed each time", lambda: _fresh(figures)),
        ("reports, connection kept", lambda: _kept(figures)),
        ("MicroPython's requests", lambda: _theirs(figures)),
        ("1,000 appends", lambda: _append(figures)),
        ("an App and a Client at rest, TLS outside", lambda: _outside(figures)),
        ("least heap, TLS outside", lambda: _least(figures, "least.host", True, known)),
        ("peaks above rest", lambda: _peaks(figures)),
        ("least heap of a Client", lambda: _least_client(figures, known)),
        ("200 reports in 100,000 bytes", lambda: _many(figures)),
        ("least heap of the unix port", lambda: _least_of_unix(figures, known)),
    ]
    seconds: dict[str, float] = {}

    def work(job: tuple[str, Callable[[], None]]) -> None:
        name, run = job
        say(name)
        started = time.monotonic()
        try:
            run()
        except Exception as error:
            say(f"{name}: failed: {error}")
            raise
        seconds[name] = round(time.monotonic() - started, 1)
        say(f"{name}: done after {seconds[name]:.0f} s")

    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in pool.map(work, jobs):
            pass
    figures.details["seconds of this machine"] = seconds
    _derive(figures)
    return figures


def _derive(figures: Figures) -> None:
    values = figures.values
    values["time.fresh_of_bare"] = values["time.fresh"] / values["time.bare"]
    values["time.first_of_bare"] = values["time.first"] / (2 * values["time.bare"])
    values["heap.block_kept"] = values["heap.block_last"] / values["heap.block_first"]
    values["heap.peak"] = max(figures.details[_PEAKS].values())
    # At rest a board holds what MicroPython holds for itself, and the App.
    values["heap.peak_boot"] = values["least.host"] - values["heap.app"] - figures.details[_BARE]
    values["least.unix_of_host"] = unix_heap.ratio(values)
    values["room.81920"] = 81_920 - values["least.host"]
    values["room.56000"] = 56_000 - values["least.host"]
    values["room.client"] = 56_000 - values["least.client"]


# -- source ---------------------------------------------------------------------------------------


def _source(figures: Figures) -> None:
    files = mpy_files(CONFIG)
    figures.values["size.mpy"] = sum(len(data) for data in files.values())
    figures.details["mpy"] = {path: len(data) for path, data in files.items()}
    root = firmware.main_py().parent
    sources = [path for path in sorted(root.rglob("*.py")) if path.parent.name != "sensors"]
    figures.values["code.files"] = len(sources)
    figures.values["code.lines"] = sum(code_lines(path.read_text()) for path in sources)


# -- time -----------------------------------------------------------------------------------------


def _bare(figures: Figures) -> None:
    with runs.rig() as where, Session(where) as board:
        port = where.platform.port
        found = board.script(
            "handshake", with_head=False, host="localhost", port=port, rounds=_HANDSHAKES
        )
        times = [int(us) / 1000 for (us,) in found]
    figures.values["time.bare"] = statistics.median(times)
    figures.details["bare handshakes, ms"] = times


def _theirs(figures: Figures) -> None:
    with runs.rig() as where, Session(where) as board:
        found = board.script(
            "theirs",
            with_head=False,
            endpoint=where.platform.endpoint,
            topic=_TOPIC,
            token=_token(where),
            payload=_PAYLOAD,
            rounds=10,
        )
    figures.values["time.theirs"] = statistics.median(int(us) / 1000 for (us,) in found)


def _token(where: Rig) -> str:
    """Return a token of the platform for the benchmark's device."""
    config = where.config
    fields = {
        "clientId": f"{config['product_key']}.{config['device_name']}",
        "deviceName": config["device_name"],
        "productKey": config["product_key"],
    }
    content = "".join(name + fields[name] for name in sorted(fields))
    sign = hmac.new(config["device_secret"].encode(), content.encode(), hashlib.sha1)
    body = json.dumps({**fields, "signmethod": "hmacsha1", "sign": sign.hexdigest()})
    context = ssl.create_default_context(cafile=str(where.platform.ca))
    connection = http.client.HTTPSConnection(where.platform.endpoint, context=context)
    connection.request("POST", "/auth", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["info"]["token"])


def _whole(run: runs.Run) -> runs.Run:
    if run.why_failed:
        raise CommandError(f"the App on the emulated chip failed: {run.why_failed}", 1)
    return run


def _fresh(figures: Figures) -> None:
    with runs.rig() as where:
        run = _whole(runs.deployed(where, _REPORTS, with_names=True))
        bare_names = runs.bare_names(where)
        stand_ins_ms = runs.boot_ms(where.flash(deployed=True, program=runs.RESETS))
        stand_ins_ms -= runs.boot_ms(where.bare_flash(runs.RESETS))
    values = figures.values
    stored = next(line for line in run.lines if " store stored seq=1 " in f"{line.text} ")
    values["time.stored"] = stored.ms - stand_ins_ms
    values["time.first"] = timeline.first_ms(run)
    numbers = range(2, len(run.accepted))
    times = [timeline.report_ms(run, number) for number in numbers]
    values["time.fresh"] = statistics.median(times)
    values["time.fresh_spread"] = max(times) - min(times)
    # The middle report, as a whole: medians of phases would not add up.
    middle = min(numbers, key=lambda number: abs(times[number - 2] - values["time.fresh"]))
    parts = timeline.phases(run, middle)
    figures.details["a fresh report by phase, ms"] = {**parts, "whole": sum(parts.values())}
    figures.details["fresh reports, ms"] = times
    figures.details["boot with stand-ins less boot without, ms"] = stand_ins_ms
    figures.details["flash, first boot to the last report"] = run.operations
    values["heap.names"] = run.names["n_qstr"] - bare_names["n_qstr"]
    figures.details["interned names"] = {"bare": bare_names, "after all": run.names}


def _kept(figures: Figures) -> None:
    with runs.rig(keep_alive=True) as where:
        run = _whole(runs.deployed(where, _REPORTS))
    times = [timeline.report_ms(run, number) for number in range(2, len(run.accepted))]
    figures.values["time.kept"] = statistics.median(times)
    figures.values["time.kept_spread"] = max(times) - min(times)
    figures.details["kept reports, ms"] = times


def _append(figures: Figures) -> None:
    with runs.rig() as where, Session(where) as board:
        found = board.script("append", rounds=_APPENDS)
    times = [int(us) / 1000 for us, _ in found]
    figures.values["time.append"] = statistics.median(times)
    figures.values["time.append_worst"] = max(times)
    figures.values["append.collections"] = sum(int(collected) for _, collected in found)


# -- heap -----------------------------------------------------------------------------------------


def _app(figures: Figures, long_reports: int) -> None:
    values = figures.values
    with runs.rig() as where, Session(where) as board:
        base = board.kept()
        board.script("app")
        board.run("app.run(reports=1)\n")
        values["heap.block_first"] = board.largest()
        board.run(f"app.run(reports={1 + long_reports})\n")
        values["heap.block_last"] = board.largest()
        values["heap.modules"] = board.modules()
        board.script("load_all", with_head=False)
        values["heap.app_tls"] = board.kept() - base
    figures.details["reports between the two looks at the largest block"] = long_reports


def _outside(figures: Figures) -> None:
    with runs.rig() as where:
        with Session(where, tls_on_host=True) as board:
            base = board.kept()
            board.script("app")
            board.run("app.run(reports=3)\n")
            board.script("load_all", with_head=False)
            figures.values["heap.app"] = board.kept() - base
            figures.details[_BARE] = base - board.stand_ins_bytes
        with Session(where, tls_on_host=True) as board:
            base = board.kept()
            board.script("client", with_head=False)
            figures.values["heap.client"] = board.kept() - base


def _peaks(figures: Figures) -> None:
    figures.details[_PEAKS] = peaks.measure()


def _least(figures: Figures, key: str, tls_on_host: bool, known: dict[str, float]) -> None:
    with runs.rig() as where:

        def passes(heap: int) -> str:
            run = runs.deployed(where, _ENOUGH_REPORTS, heap=heap, tls_on_host=tls_on_host)
            return run.why_failed

        figures.values[key] = _bisect(figures, key, passes, known)


def _least_client(figures: Figures, known: dict[str, float]) -> None:
    with runs.rig() as where:

        def passes(heap: int) -> str:
            try:
                with Session(where, heap=heap, tls_on_host=True) as board:
                    board.script("publishes", False, rounds=_ENOUGH_PUBLISHES)
            except ChipError as error:
                return str(error)
            return ""

        figures.values["least.client"] = _bisect(figures, "least.client", passes, known)


def _many(figures: Figures) -> None:
    with runs.rig() as where:
        run = runs.deployed(where, _MANY_REPORTS, heap=_MANY_HEAP)
    figures.values["least.many"] = len(run.accepted)
    figures.details["what ended the 200 reports"] = run.why_failed


def _least_of_unix(figures: Figures, known: dict[str, float]) -> None:
    # Its objects are larger, and TLS lies outside its heap: see unix_heap.
    with runs.rig() as where:

        def passes(heap: int) -> str:
            return runs.unix_port(where, _ENOUGH_REPORTS, heap)

        key = "least.unix"
        figures.values[key] = _bisect(figures, key, passes, known, (64 * 1024, 1024 * 1024))


def _bisect(
    figures: Figures,
    key: str,
    why_not: Callable[[int], str],
    known: dict[str, float],
    limits: tuple[int, int] = _HEAP_RANGE,
) -> int:
    """Return the least heap that passes; around the one known, which most often still is right."""
    tried: dict[int, str] = {}
    figures.details[f"tried, {key}"] = tried

    def fails(heap: int) -> bool:
        tried[heap] = why_not(heap)
        return bool(tried[heap])

    low, high = limits
    if key in known:
        guess = int(known[key])
        step = _HEAP_STEP
        if fails(guess):
            while fails(min(guess + step, high)) and guess + step < high:
                step *= 2
            low, high = guess + step // 2, min(guess + step, high)
        else:
            while not fails(max(guess - step, low)) and guess - step > low:
                step *= 2
            low, high = max(guess - step, low), guess - step // 2
            if step == _HEAP_STEP:
                high = guess
    elif fails(high):
        raise CommandError(f"{key}: not even {high:,} bytes are enough: {tried[high]}", 1)
    while high - low > _HEAP_STEP:
        middle = (low + high) // 2 // _HEAP_STEP * _HEAP_STEP
        if middle <= low:
            middle = low + _HEAP_STEP
        if fails(middle):
            low = middle
        else:
            high = middle
    return high
