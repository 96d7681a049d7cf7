"""Duplicates and gaps in `seq`, and numbers over time, whatever comes in whatever order."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.client.devices_csv import Triple
from tools.emulator import counters
from tools.emulator.counters import Counters
from tools.emulator.queries import Queries
from tools.emulator.readings import parse_readings
from tools.emulator.store import Store

KEY = "a1pk/sensor01"


class Counted:
    """A database with one device, and the messages it is told to accept."""

    def __init__(self, folder):
        self.store = Store(folder / "emulator.db")
        with self.store.transaction():
            self.store.add_device(Triple("a1pk", "sensor01", "secret01"))
        self.device = self.store.find_device("a1pk", "sensor01").id
        self.queries = Queries(folder / "emulator.db")
        self.messages = 0

    def accept(self, payload, now_ms=1000):
        self.messages += 1
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        with self.store.transaction():
            Counters(self.store.db).add(self.device, self.messages, raw, now_ms + self.messages)

    def numbers(self, *batches, stream="s"):
        for batch in batches:
            self.accept([{"stream": stream, "seq": seq} for seq in batch])

    def stream(self, name="s"):
        return next(row for row in self.queries.streams(KEY) if row.name == name)

    def spans(self):
        return self.store.db.execute("SELECT count(*) FROM span").fetchone()[0]

    def series(self, **more):
        return {series.name: series for series in self.queries.series(KEY, **more)}

    def close(self):
        self.queries.close()
        self.store.close()


@pytest.fixture
def counted(tmp_path):
    counted = Counted(tmp_path)
    yield counted
    counted.close()


@pytest.mark.parametrize(
    ("batches", "received", "duplicates", "missing"),
    [
        ([[1], [2], [3]], 3, 0, 0),
        ([[1, 2, 3]], 3, 0, 0),
        ([[1], [2], [2], [3]], 3, 1, 0),  # a reply was lost, the reading came again
        ([[1, 2, 3], [2, 3, 4]], 4, 2, 0),  # the same, of a batch that was cut anew
        ([[1, 2], [1, 2], [1, 2]], 2, 4, 0),
        ([[1], [3]], 2, 0, 1),
        ([[1], [5], [3]], 3, 0, 2),
        ([[1], [3], [2]], 3, 0, 0),  # a late one fills its gap
        ([[5, 6], [1, 2], [3, 4]], 6, 0, 0),
        ([[7], [7, 7]], 1, 2, 0),
        ([[4, 2], [3, 1]], 4, 0, 0),
        ([[1, 9], [2, 8], [3, 4, 5, 6, 7], [1, 9]], 9, 2, 0),
        ([[100]], 1, 0, 0),  # a stream is looked at from its first reading on
        ([list(range(1, 3001)), list(range(2000, 4001))], 4000, 1001, 0),
    ],
)
def test_stream_counts_what_came_again_and_what_did_not_come(
    counted, batches, received, duplicates, missing
):
    counted.numbers(*batches)
    row = counted.stream()
    assert (row.received, row.duplicates, row.missing) == (received, duplicates, missing)
    everything = [seq for batch in batches for seq in batch]
    assert (row.first, row.last) == (min(everything), max(everything))
    device = counted.queries.devices()[0]
    assert (device.duplicates, device.missing) == (duplicates, missing)


def test_stream_without_gaps_is_one_row(counted):
    counted.numbers([1], [2, 3], [3, 4], [7], [5, 6])
    assert counted.spans() == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=8), min_size=1, max_size=15))
def test_stream_agrees_with_a_set(tmp_path_factory, batches):
    counted = Counted(tmp_path_factory.mktemp("counters"))
    try:
        counted.numbers(*batches)
        everything = [seq for batch in batches for seq in batch]
        seen = set(everything)
        row = counted.stream()
        assert row.received == len(seen)
        assert row.duplicates == len(everything) - len(seen)
        assert row.missing == max(seen) - min(seen) + 1 - len(seen)
        runs = sum(seq - 1 not in seen for seq in seen)
        assert counted.spans() == runs
    finally:
        counted.close()


def test_streams_of_an_erased_flash_are_counted_apart(counted):
    counted.numbers([1, 2, 3], stream="old")
    counted.numbers([1, 2], stream="new")
    assert [row.name for row in counted.queries.streams(KEY)] == ["new", "old"]
    assert counted.queries.devices()[0].duplicates == 0


def test_device_that_sends_nonsense_is_kept_in_bounds(counted, monkeypatch):
    monkeypatch.setattr(counters, "_SPANS_MAX", 10)
    monkeypatch.setattr(counters, "_STREAMS_MAX", 5)
    monkeypatch.setattr(counters, "_SERIES_MAX", 4)
    counted.numbers(*([seq] for seq in range(2, 200, 2)))
    assert counted.spans() == 10
    row = counted.stream()
    assert (row.received, row.missing, row.duplicates) == (99, 98, 0)
    for number in range(12):
        counted.numbers([1], stream=f"stream{number}")
        counted.accept({f"value{number}": number})
    assert len(counted.queries.streams(KEY)) == 5
    assert counted.queries.streams(KEY)[0].name == "stream11"
    assert counted.spans() == 5
    assert len(counted.series()) == 4


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[1, null, [], {}]",
        b"[" * 100_000,
        b'{"stream": 5, "seq": "x", "time": {}}',
        b'{"stream": "s", "seq": true}',
        b'{"stream": "s", "seq": 0}',
        b'{"stream": "s", "seq": -1}',
        b'{"stream": "s", "seq": 99999999999999999999999}',
        b'{"stream": "s", "seq": 1.5}',
        b'{"v": NaN, "w": Infinity, "x": 1e999, "y": true, "z": null}',
        b'{"v": ' + b"9" * 400 + b"}",
        b'{"method": "thing.event.property.post", "params": 5, "id": []}',
        b'{"method": "thing.event.property.post", "id": "\xd9\xa1"}',
        json.dumps({"stream": "s" * 1000, "seq": 1, "n" * 1000: 1}).encode(),
    ],
)
def test_payload_of_any_content_counts_nothing_and_raises_nothing(counted, payload):
    counted.accept(payload)
    assert counted.queries.streams(KEY) == []
    assert counted.series() == {}


def test_alink_seq_is_its_id_and_its_values_have_their_times(counted):
    post = {
        "id": "7",
        "version": "1.0",
        "params": {"temperature": {"value": 21.5, "time": 5000}, "open": {"value": 1}},
        "method": "thing.event.property.post",
    }
    counted.accept(post)
    counted.accept(post)
    row = counted.stream("")
    assert (row.last, row.received, row.duplicates) == (7, 1, 1)
    assert counted.series()["temperature"].points == [(5000, 21.5)]
    assert counted.series()["open"].points == [(5000, 1.0)]


def test_json_values_are_kept_by_the_readings_time_once(counted):
    reading = {"stream": "s", "seq": 1, "time": 5000, "t": 21, "ok": True, "error": {"x": "y"}}
    counted.accept([reading, {**reading, "seq": 2, "time": None, "t": 22}], now_ms=9000)
    counted.accept(reading)
    assert counted.series() == {"t": counted.series()["t"]}
    assert counted.series()["t"].points == [(5000, 21.0), (9001, 22.0)]


def test_payload_with_the_nul_of_a_c_string_is_read():
    assert parse_readings(b'{"stream":"s","seq":3,"v":1}\0')[0].seq == 3
