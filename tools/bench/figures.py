"""From what was measured to the figures of the table: value, and theirs where there is one."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import heap32, measure
from .budgets import BUDGETS

_YEAR_OF_MINUTES = 365.25 * 24 * 60
_CYCLES = 100_000  # erases that NOR flash bears, by its data sheets
_DELAYS_MS = (0, 50, 150)


@dataclass
class Figures:
    """`values` by key of BUDGETS; `theirs`, of MicroPython's `requests`; `details`, all of it."""

    values: dict[str, float] = field(default_factory=dict)
    theirs: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def failures(self) -> list[str]:
        """Return a line for each limit that is passed."""
        return [
            f"{BUDGETS[key].what}: {value:g} {BUDGETS[key].unit}, at most {limit:g}"
            for key, value in self.values.items()
            if (limit := BUDGETS[key].limit) is not None and value > limit
        ]


def collect_counts(figures: Figures, say: Callable[[str], None]) -> None:
    """Measure what is the same in each run: sizes, heap, flash."""
    say("sizes")
    sizes = measure.sizes()
    figures.details["mpy"] = sizes
    figures.values["size.mpy"] = sum(sizes.values())
    if heap32.is_possible():
        _collect_heap(figures, say)
    else:
        say("heap of a chip: skipped, Node and npm are not here")
    say("flash (half a minute)")
    _collect_flash(figures)


def _collect_heap(figures: Figures, say: Callable[[str], None]) -> None:
    say("heap of a chip, under Node")
    found = {}
    for scenario in ("app", "client", "drain"):
        found.update({entry["what"]: entry for entry in heap32.measure(scenario)})
    heap = {what: entry["bytes"] for what, entry in found.items() if "bytes" in entry}
    figures.details["heap"] = heap
    modules = {e["what"]: e["bytes"] for e in heap32.profile()}
    figures.details["heap by module"] = modules
    small = heap["one small publish, kept connection"]
    figures.values |= {
        "size.loaded": sum(measure.loaded_sizes(set(modules)).values()),
        "heap.growth": heap["growth over 1,000 reports"],
        "heap.stream": heap["128 KB streamed, the first time"] - small,
        "heap.client": heap["Client built"],
        "heap.app": heap["App running"],
        "heap.append": heap["one append"],
        "heap.left": heap["after hostile replies"],
        "drain.kept": found["handshakes to drain 100, kept connection"]["count"],
        "drain.closed": found["handshakes to drain 100, closed each time"]["count"],
    }


def _collect_flash(figures: Figures) -> None:
    lines = measure.flash()
    figures.details["flash"] = lines
    wear = {(line["chip"], line["what"]): line for line in lines if "erases" in line}

    def worst(what: str, name: str) -> float:
        return max(line[name] for (_, kind), line in wear.items() if kind == what)

    figures.values |= {
        "flash.erases": worst("accepted at once", "erases"),
        "flash.bytes": worst("accepted at once", "programmed_bytes"),
        "flash.outage_erases": worst("outage", "erases"),
        "flash.outage_bytes": worst("outage", "programmed_bytes"),
        "flash.open": max(line["block_reads"] for line in lines if "block_reads" in line),
    }
    calls = [line for line in lines if "append" in line]
    for key, name, place in (
        ("flash.append_flat", "append", 0),
        ("flash.ack_flat", "oldest_and_acknowledge", 1),
    ):
        figures.values[key] = max(
            line[name][place] / one[name][place]
            for line in calls
            for one in calls
            if line["chip"] == one["chip"] and line["waiting"] == 8000 and one["waiting"] == 1
        )
    # littlefs levels its wear over all blocks, so a block bears its share of the erases.
    blocks = {"esp32": 512, "rp2": 640}
    figures.details["years to 100,000 cycles, a reading a minute"] = {
        f"{chip}, {what}": round(_CYCLES * blocks[chip] / (line["erases"] * _YEAR_OF_MINUTES))
        for (chip, what), line in wear.items()
        if what in ("accepted at once", "outage")
    }


def collect_times(figures: Figures, say: Callable[[str], None], rounds: int) -> None:
    """Measure what depends on the machine, beside `requests`, and what leaves the socket."""
    with measure.emulator() as (platform, folder):
        say(f"reports in turns with requests, {rounds} rounds")
        found = measure.reports(folder, platform.port, rounds)
        runs = found["runs"]
        ms = {name: statistics.median(us for us, _ in runs[name]) / 1000 for name in runs}
        figures.details["report, ms"] = ms
        figures.details["report, bytes allocated, 64-bit"] = {
            name: statistics.median(size for _, size in runs[name]) for name in runs
        }
        figures.details["import, bytes kept, 64-bit"] = found["import"]
        for name in ("fresh", "kept"):
            pairs = zip(runs[name], runs["theirs"], strict=True)
            figures.values[f"time.{name}"] = statistics.median(o / t for (o, _), (t, _) in pairs)
        say("what leaves the socket")
        wire = measure.on_the_wire(platform, folder)
        figures.details["wire"] = wire
        figures.values["wire.records"] = wire["kept"]["records"]
        figures.theirs["wire.records"] = wire["theirs"]["records"]
        figures.values["wire.overhead"] = wire["kept"]["bytes_up"] - found["payload_bytes"]
        say("a peer that drips")
        calls = measure.longest_calls(platform, folder)
        figures.details["longest call, us"] = calls
        figures.values["longest.drip"] = (
            max(calls["drip"]["receive"], calls["drip_record"]["receive"]) / 1000
        )
        say("linkpost.aio beside another task")
        blocks = measure.aio_blocks(platform, folder)
        figures.details["linkpost.aio: longest block of the loop, us"] = blocks
        figures.values["longest.aio"] = (
            max(max(block["connect"], block["request"]) for block in blocks.values()) / 1000
        )
        late = {}
        for delay_ms in _DELAYS_MS:
            say(f"each direction {delay_ms} ms late")
            late[delay_ms] = measure.latency(platform, folder, delay_ms)
        figures.details["latency, s"] = late
        for name in ("fresh", "kept", "theirs"):
            trips = (late[_DELAYS_MS[-1]][name] - late[0][name]) * 1000 / (2 * _DELAYS_MS[-1])
            if name == "theirs":
                figures.theirs["trips.fresh"] = round(trips, 1)
            else:
                figures.values[f"trips.{name}"] = round(trips, 1)
    say("digests")
    figures.details["digests, bytes a second; hmac, us"] = measure.digests()
    figures.details["import of the app from .mpy, ms, unix port"] = measure.import_ms()
