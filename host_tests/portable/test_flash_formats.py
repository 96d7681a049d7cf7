"""What boards of every release have on their flash opens with today's code, and nothing is lost.

`flash_0_1_0.py` and the like are made once (make_flash_format.py) and never changed.
"""

import os

import flash_0_1_0
from fakes_flash import Flash, quarantined_readings
from linkpost.storage.readings import encode_frame
from linkpost.storage.tokens import TokenStore

RELEASES = (("0.1.0", flash_0_1_0.FILES),)

_START_MS = 1_795_392_000_000
_IDENTITY = ("a1B2c3D4e5F", "sensor01", "0123456789abcdef", "localhost")
_TOKEN = "6944e5bfb92e4d4ea3918d1eda391234"


def _values_of(seq):
    return {
        "t": 20.5 + seq,
        "n": -seq,
        "big": 1 << 40,
        "open": seq % 2 == 0,
        "note": "温度 %d" % seq,
        "error": {"dht": "no answer"},
    }


def _time_of(seq):
    if seq < 4:
        return _START_MS + seq * 1000
    return None if seq == 60 else _START_MS + seq * 60_000


def _put(root, files):
    for path in sorted(files):
        folder = root
        for part in path.split("/")[:-1]:
            folder += "/" + part
            try:
                os.mkdir(folder)
            except OSError:  # there already
                pass
        with open(root + "/" + path, "wb") as file:
            file.write(bytes.fromhex(files[path]))


def test_outbox_of_every_release_opens_whole():
    for release, files in RELEASES:
        with Flash() as flash:
            _put(flash.root, files)
            outbox = flash.open()
            assert outbox.stream == "aa412c9f", release
            assert outbox.next_seq == 61, release
            assert (outbox.pending, outbox.dropped, outbox.quarantined) == (58, 0, 1), release
            found = list(outbox.readings())
            assert [seq for seq, _, _ in found] == list(range(3, 61)), release
            for seq, unix_ms, values in found:
                assert unix_ms == _time_of(seq), (release, seq)
                assert values == _values_of(seq), (release, seq)
            quarantined = quarantined_readings(outbox)
            assert quarantined == [(2, _time_of(2), _values_of(2))], release


def test_outbox_of_every_release_goes_on_where_it_was():
    for release, files in RELEASES:
        with Flash() as flash:
            _put(flash.root, files)
            outbox = flash.open()
            assert outbox.append({"t": 1}, _START_MS) == 61, release
            outbox.acknowledge(60)
            again = flash.open()
            assert [seq for seq, _, _ in again.readings()] == [61], release


def test_token_of_every_release_is_still_good():
    for release, files in RELEASES:
        with Flash() as flash:
            _put(flash.root, files)
            assert TokenStore(flash.root + "/token", _IDENTITY).load() == _TOKEN, release


def _frames_that_make_no_sense():
    # A good CRC around bytes that no release wrote: found by fuzzing (targets.py, outbox).
    head = b"\x03\0\0\0" + b"\x02" + bytes(6)
    yield head + b"\xd2" * 6
    yield head + b"\x81t\0\0"  # a float of which half is missing
    yield head + b"\x81t\0\0\xc0\x7f"  # not a number
    yield head + b"\xe1t\x02[["  # no JSON
    yield head + b"\xe1t\x90\x0f" + b"[" * 1936
    yield head + b"\xe1t\xff\xff\xff\xff\x03{"  # a text longer than any heap
    yield head + b"\x41"  # a name without its value


def test_reading_that_makes_no_sense_does_not_stop_those_behind_it():
    for payload in _frames_that_make_no_sense():
        with Flash() as flash:
            outbox = flash.open()
            outbox.append({"t": 1}, _START_MS)
            outbox.append({"t": 2}, _START_MS)
            for seq in (3, 4):
                outbox.append({"t": seq}, _START_MS)
            with open(flash.file("r3/a"), "wb") as file:
                file.write(encode_frame(0x4E, payload))
            found = list(flash.open().readings())
            assert [seq for seq, _, _ in found] == [1, 2, 3, 4], payload[:20]
            assert found[2][2]["error"] == {"store": "damaged"}, payload[:20]
            assert found[3][2] == {"t": 4}, payload[:20]
