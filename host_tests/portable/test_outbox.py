"""The outbox: what goes in comes out, in order, whatever has happened to the files.

On MicroPython each test has a littlefs of its own, on a strict NOR flash in RAM; on CPython a
folder. What a power cut leaves on littlefs is tried in host_tests/power.
"""

import json
import os

from fakes_flash import Flash, quarantined_readings
from linkpost.errors import StorageError
from linkpost.storage import growing
from linkpost.storage import outbox as outbox_module
from linkpost.storage.outbox import Outbox
from linkpost.storage.readings import encode_frame, encode_reading

SKIP = {
    "test_append_on_a_full_flash_drops_the_oldest_counted": (
        "cpython",
        "a folder on a laptop does not get full",
    ),
    "test_flash_that_others_fill_bounds_the_outbox_too": (
        "cpython",
        "a folder on a laptop does not get full",
    ),
    "test_budget_that_is_not_given_is_half_of_what_is_free": (
        "cpython",
        "others write to a laptop's file system meanwhile",
    ),
}

_START_MS = 1_700_000_000_000


def slot(seq):
    return "r%d/%s" % (seq % 4, chr(97 + seq // 4 % 6))


def values_of(seq):
    return {"n": seq, "temperature": seq * 0.25, "door": seq % 2 == 0, "note": "x" * 40}


def fill(outbox, count):
    for _ in range(count):
        seq = outbox.next_seq
        assert outbox.append(values_of(seq), _START_MS + seq) == seq


def check(outbox, seqs, case=""):
    """Compare all that waits with the readings of those seqs."""
    waiting = list(outbox.readings())
    assert [reading[0] for reading in waiting] == list(seqs), (case, waiting)
    for seq, unix_ms, values in waiting:
        assert values == values_of(seq), (case, seq, values)
        assert unix_ms == _START_MS + seq, (case, seq, unix_ms)
    assert outbox.oldest() == (waiting[0] if waiting else None), case
    assert outbox.newest() == (waiting[-1] if waiting else None), case
    # Reading has met all that is missing.
    if not waiting:
        assert outbox.pending == 0, (case, outbox.pending)


def check_goes_on(flash, outbox, used_up_to, case):
    """Store, let go and reopen: a seq is never used twice, and everything comes to an end."""
    seq = outbox.append(values_of(outbox.next_seq), _START_MS + outbox.next_seq)
    assert seq > used_up_to, (case, seq)
    assert outbox.newest()[0] == seq, case
    again = flash.open()
    assert again.stream == outbox.stream, case
    assert again.newest()[0] == seq, case
    steps = 0
    while again.pending:
        reading = again.oldest()
        if reading:
            again.acknowledge(reading[0])
        steps += 1
        assert steps < 1000, case
    again.close()
    last = flash.open()
    assert last.pending == 0, case
    assert last.next_seq == seq + 1, case
    assert flash.segments() == [], case


# Storing and reading


def test_append_any_value_comes_back_the_same():
    readings = (
        {"a": 0, "b": -1, "c": 127, "d": 128, "e": -128, "f": 2**40, "g": -(2**62)},
        {"zero": 0.0, "minus": -0.5, "exact": 23.75, "pi": 3.140625, "big": 1e30, "tiny": 1e-30},
        {"yes": True, "no": False},
        {"empty": "", "text": "schön ✓", "quote": '"\\\n\x00', "long": "x" * 300},
        {"error": {"dht": "checksum", "probe 2": 'no "answer"'}, "t": 1},
        {"nothing": None, "list": [1, "two", 3.5]},
        {"": 1, "n" * 30: 2, "n" * 31: 3, "n" * 255: 4, "ключ": 5},
        {},
    )
    with Flash() as flash:
        outbox = flash.open()
        for values in readings:
            outbox.append(values, _START_MS)
        for opened in (outbox, flash.open()):
            for reading, values in zip(opened.readings(), readings):  # noqa: B905  not on a board
                assert reading[2] == values, (reading, values)
                for name in values:
                    assert type(reading[2][name]) is type(values[name]), name


def test_append_what_cannot_be_stored_is_refused_and_uses_no_seq():
    refused = (
        {"t": float("nan")},
        {"t": float("inf")},
        {"t": b"bytes"},
        {"t": "x" * 2100},
        {"n" * 256: 1},
        {"t": 1 << 20000},
    )
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 2)
        for values in refused:
            try:
                outbox.append(values, _START_MS)
            except StorageError:
                pass
            else:
                raise AssertionError("stored: %s" % values)
        fill(outbox, 1)
        check(outbox, (1, 2, 3))
        check(flash.open(), (1, 2, 3))


def test_append_of_119_bytes_of_json_fits_an_inline_file():
    # esp32 writes a file of up to 128 bytes without an erase (docs/porting.md, "Flash and
    # littlefs").
    values = {"temperature": 23.5, "humidity": 41.25, "door": True, "note": ""}
    compact = json.dumps(values).replace(", ", ",").replace(": ", ":")
    values["note"] = "x" * (119 - len(compact))
    frame = bytearray()
    encode_reading(frame, 4_000_000, 3_999_000, 1, _START_MS, None, values)
    assert len(frame) <= 128


def test_append_after_reopening_goes_on_in_the_same_stream():
    with Flash() as flash:
        outbox = flash.open()
        assert (outbox.stream, outbox.next_seq, outbox.pending) == ("01010101", 1, 0)
        for count in range(1, 60):
            fill(outbox, 1)
            outbox = flash.open()
            assert (outbox.stream, outbox.next_seq) == ("01010101", count + 1)
            assert outbox.pending == count
        check(outbox, range(1, 60))


def test_backlog_of_any_length_is_read_in_order():
    for count in (1, 23, 24, 25, 48, 49, 400):
        with Flash() as flash:
            outbox = flash.open()
            fill(outbox, count)
            assert outbox.pending == count
            check(outbox, range(1, count + 1), count)
            opened = flash.open()
            assert opened.pending == count
            check(opened, range(1, count + 1), count)


def test_readings_of_two_kilobytes_are_kept_too():
    with Flash(max_bytes=131072) as flash:
        outbox = flash.open()
        for i in range(40):
            outbox.append({"i": i, "text": chr(97 + i % 26) * (40 if i % 3 else 2000)}, None)
        for opened in (outbox, flash.open()):
            waiting = list(opened.readings())
            assert [reading[2]["i"] for reading in waiting] == list(range(40))
            assert [len(reading[2]["text"]) for reading in waiting[:4]] == [2000, 40, 40, 2000]


def test_readings_while_the_outbox_changes_stay_in_order():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 60)
        seen = []
        for reading in outbox.readings():
            seen.append(reading[0])
            if reading[0] == 3:
                outbox.acknowledge(40)
            if reading[0] < 90:
                fill(outbox, 1)
        assert seen == [1, 2, 3] + list(range(41, outbox.next_seq))


# Letting go


def test_acknowledge_forgets_up_to_and_including():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 100)
        for seq in (1, 10, 10, 5, 60, 99):
            outbox.acknowledge(seq)
        check(outbox, (100,))
        check(flash.open(), (100,))
        outbox.acknowledge(5000)
        assert outbox.pending == 0
        assert outbox.next_seq == 101
        assert flash.segments() == []


def test_acknowledge_with_more_waiting_is_on_flash_at_once():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 60)
        for seq in range(1, 60):
            outbox.acknowledge(seq)
            assert flash.open().oldest()[0] == seq + 1


def test_acknowledge_of_the_last_rides_in_the_next_reading():
    with Flash() as flash:
        outbox = flash.open()
        for seq in range(1, 80):
            fill(outbox, 1)
            outbox.acknowledge(seq)
            # Without a write, one reading is sent again after a cut, never more.
            assert flash.open().pending == 1, seq
        fill(outbox, 1)
        check(flash.open(), (80,))


def test_sync_of_an_empty_outbox_keeps_it_empty_and_the_seq():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 30)
        outbox.acknowledge(30)
        outbox.sync()
        opened = flash.open()
        assert (opened.pending, opened.next_seq, opened.oldest()) == (0, 31, None)


def test_next_seq_without_cursor_and_segments_is_remembered_by_the_ring():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 200)
        outbox.acknowledge(200)
        outbox.sync()
        os.remove(flash.file("acked/cursor"))
        assert flash.segments() == []
        opened = flash.open()
        assert (opened.stream, opened.next_seq) == ("01010101", 201)
        # The position is lost with the cursor: at least once, and never what is not there.
        assert [reading[0] for reading in opened.readings()][-1] == 200
        assert opened.pending <= 24
        check_goes_on(flash, opened, 200, "")


# Full


def test_full_outbox_drops_the_oldest_and_counts():
    with Flash(max_bytes=16384) as flash:
        outbox = flash.open()
        fill(outbox, 700)
        assert outbox.dropped > 0
        assert outbox.dropped + outbox.pending == 700
        check(outbox, range(outbox.dropped + 1, 701))
        size = sum([os.stat(flash.file("backlog/" + n))[6] for n in flash.segments()])
        assert size <= 8192
        opened = flash.open()
        assert (opened.dropped, opened.pending) == (outbox.dropped, outbox.pending)
        assert flash.lines[0][:2] == ("store", "full, oldest dropped")
        # The log tells of every one.
        assert sum([line[3] for line in flash.lines]) == outbox.dropped


def test_full_outbox_that_was_half_sent_counts_only_what_waited():
    with Flash(max_bytes=16384) as flash:
        outbox = flash.open()
        fill(outbox, 60)
        outbox.acknowledge(20)
        fill(outbox, 600)
        assert outbox.dropped + outbox.pending == 640


def test_full_outbox_of_large_readings_stays_within_its_budget():
    with Flash(max_bytes=16384) as flash:
        outbox = flash.open()
        for seq in range(1, 61):
            outbox.append({"n": seq, "text": "x" * 1900}, None)
        assert outbox.dropped + outbox.pending == 60
        for opened in (outbox, flash.open()):
            waiting = [reading[2]["n"] for reading in opened.readings()]
            assert waiting == list(range(outbox.dropped + 1, 61))
        assert flash.backlog_bytes() <= 8192


def test_smaller_budget_after_a_change_of_config_drops_down_to_it():
    with Flash(max_bytes=131072) as flash:
        fill(flash.open(), 900)
        outbox = flash.open(16384)
        check(outbox, range(1, 901))
        # When the next segment begins.
        fill(outbox, 60)
        check(outbox, range(outbox.dropped + 1, 961))
        size = sum([os.stat(flash.file("backlog/" + n))[6] for n in flash.segments()])
        assert size <= 8192


def test_budget_that_is_not_given_is_half_of_what_is_free():
    with Flash() as flash:
        halves = []
        for _ in range(4):
            outbox = Outbox(flash.path, None, flash.random_bytes, flash)
            stat = os.statvfs(flash.path)
            half = (stat[0] * stat[3] + flash.backlog_bytes()) // 2 - 8192
            assert outbox.max_bytes == half, (outbox.max_bytes, half)
            halves.append(half)
            fill(outbox, 100)
        # It does not shrink with each boot as the backlog grows.
        assert halves[1] - halves[3] <= 4096, halves
        assert flash.backlog_bytes() > 0


def test_flash_that_others_fill_bounds_the_outbox_too():
    with Flash() as flash:
        outbox = flash.open()
        free = os.statvfs(flash.root)[3]
        with open(flash.root + "/filler", "wb") as file:
            for _ in range(free - 16):
                file.write(b"f" * 4096)
        fill(outbox, 600)
        assert outbox.dropped > 0
        # What is left is for others: the token, the config, the file system's own needs.
        assert os.statvfs(flash.root)[3] >= 6, os.statvfs(flash.root)
        assert [line[1] for line in flash.lines] == ["full, oldest dropped"] * len(flash.lines)
        check(outbox, range(outbox.dropped + 1, 601))


def test_append_on_a_full_flash_drops_the_oldest_counted():
    with Flash(blocks=48, max_bytes=1 << 20) as flash:
        outbox = flash.open()
        fill(outbox, 100)
        filler = open(flash.root + "/filler", "wb")  # noqa: SIM115  closed when it is full
        try:
            while True:
                filler.write(b"f" * 4096)
                filler.flush()
        except OSError as error:
            assert error.errno == 28, error
        try:
            filler.close()
        except OSError:
            pass
        fill(outbox, 400)
        assert outbox.dropped > 0
        assert outbox.dropped + outbox.pending == 500
        check(outbox, range(outbox.dropped + 1, 501))
        opened = flash.open()
        assert opened.dropped == outbox.dropped
        check(opened, range(outbox.dropped + 1, 501))


def test_append_on_failing_flash_is_an_error_and_uses_no_seq():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 3)

        def fails(path, mode):
            raise OSError(5, "failed")

        outbox_module.open = fails
        try:
            outbox.append({}, None)
        except StorageError:
            pass
        else:
            raise AssertionError("no error")
        finally:
            del outbox_module.open
        fill(outbox, 1)
        check(outbox, (1, 2, 3, 4))


def test_append_on_a_full_flash_that_removes_nothing_is_an_error_and_drops_one_segment_at_most():
    class NoRemove:
        statvfs = os.statvfs

        def remove(self, path):
            raise OSError(5, "failed")

    def full(path, mode):
        raise OSError(28, "full")

    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 300)
        first_of_second = outbox.segments[1][0]
        real = growing.os
        growing.os = NoRemove()
        growing.open = full
        try:
            for _ in range(3):
                try:
                    fill(outbox, 24)
                except StorageError:
                    continue
                raise AssertionError("no error")
        finally:
            growing.os = real
            del growing.open
        assert outbox.dropped == first_of_second - 1
        fill(outbox, 30)
        for opened in (outbox, flash.open()):
            check(opened, range(first_of_second, outbox.next_seq))


def test_append_that_failed_after_it_was_written_keeps_its_seq():
    with Flash() as flash:
        outbox = flash.open()

        class FailsLate:
            def __init__(self, path, mode):
                self._file = open(path, mode)  # noqa: SIM115  closed in __exit__
                self._writes = "w" in mode

            def __enter__(self):
                return self._file

            def __exit__(self, *error):
                self._file.close()
                if self._writes:
                    raise OSError(5, "failed")

        outbox_module.open = FailsLate
        try:
            fill(outbox, 2)
        finally:
            del outbox_module.open
        check(outbox, (1, 2))


# Quarantine


def test_quarantine_keeps_readings_and_lets_the_next_pass():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 40)
        for seq in (1, 2):
            outbox.quarantine(seq)
        outbox.acknowledge(10)
        outbox.quarantine(11)
        for opened in (outbox, flash.open()):
            check(opened, range(12, 41))
            assert opened.quarantined == 3
            quarantined = quarantined_readings(opened)
            assert quarantined == [(seq, _START_MS + seq, values_of(seq)) for seq in (1, 2, 11)]


def test_quarantine_keeps_the_reason_beside_the_values_within_bounds():
    long = {"text": "x" * 1900}
    reason = "10001 param error: caf\u00e9 " + "long " * 100
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 30)
        outbox.append(long, _START_MS + 31)
        outbox.append({"after": 1}, _START_MS + 32)
        outbox.quarantine(1, reason)
        outbox.acknowledge(30)
        outbox.quarantine(31, reason)
        outbox.quarantine(32)
        values = values_of(1)
        values[""] = reason[:100]
        expected = [(1, values), (31, long), (32, {"after": 1})]
        for opened in (outbox, flash.open()):
            quarantined = quarantined_readings(opened)
            assert [(reading[0], reading[2]) for reading in quarantined] == expected
            assert (opened.quarantined, opened.pending) == (3, 0)


def test_quarantine_of_what_is_gone_does_nothing_and_of_a_later_one_is_refused():
    with Flash() as flash:
        outbox = flash.open()
        outbox.quarantine(1)
        fill(outbox, 5)
        outbox.acknowledge(2)
        outbox.quarantine(2)
        try:
            outbox.quarantine(4)
        except ValueError:
            pass
        else:
            raise AssertionError("no error")
        assert outbox.quarantined == 0
        check(outbox, (3, 4, 5))


def test_quarantine_is_bounded_and_counts_all():
    with Flash() as flash:
        outbox = flash.open()
        for seq in range(1, 501):
            fill(outbox, 1)
            outbox.quarantine(seq)
        for opened in (outbox, flash.open()):
            quarantined = [reading[0] for reading in quarantined_readings(opened)]
            assert quarantined == list(range(501 - len(quarantined), 501))
            assert 60 <= len(quarantined) <= 250
            assert (opened.quarantined, opened.pending) == (500, 0)
        names = [n for n in os.listdir(flash.file("backlog")) if n[0] == "q"]
        assert len(names) <= 2


def test_quarantine_again_after_a_cut_before_the_position_keeps_it_once():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 5)
        outbox.acknowledge(1)
        cursor = flash.read("acked/cursor")
        outbox.quarantine(2)
        flash.write("acked/cursor", cursor)
        outbox = flash.open()
        assert outbox.oldest()[0] == 2
        outbox.quarantine(2)
        outbox.quarantine(3)
        assert [reading[0] for reading in quarantined_readings(outbox)] == [2, 3]
        assert outbox.quarantined == 2


def test_quarantine_leaves_the_files_of_others_alone():
    names = ("qualities", "q-0000001", "quarantine.txt", "q1")
    with Flash() as flash:
        outbox = flash.open()
        for name in names:
            flash.write("backlog/" + name, b"mine")
        for seq in range(1, 200):
            fill(outbox, 1)
            outbox.quarantine(seq)
        for name in names:
            assert flash.read("backlog/" + name) == b"mine", name


def test_quarantine_beside_a_file_without_a_reading_keeps_the_reading():
    for rest in (b"", b"\x52\x10", b"?" * 5000):
        with Flash() as flash:
            outbox = flash.open()
            fill(outbox, 3)
            flash.write("backlog/q00000001", rest)
            outbox.quarantine(1)
            outbox.quarantine(2)
            for opened in (outbox, flash.open()):
                assert [reading[0] for reading in quarantined_readings(opened)] == [1, 2], rest


def test_quarantine_on_failing_flash_is_an_error_and_the_reading_waits():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 3)
        os.rename(flash.file("backlog"), flash.file("elsewhere"))
        try:
            outbox.quarantine(1)
        except StorageError:
            pass
        else:
            raise AssertionError("no error")
        os.rename(flash.file("elsewhere"), flash.file("backlog"))
        check(outbox, (1, 2, 3))
        outbox.quarantine(1)
        check(outbox, (2, 3))
        assert outbox.quarantined == 1


# Time


def test_time_of_readings_before_the_clock_was_right_is_filled_in():
    with Flash() as flash:
        outbox = flash.open()
        for uptime_ms in (0, 1000, 4_000_000_000):
            outbox.append({}, None, uptime_ms)
        outbox.append({}, None)
        assert [reading[1] for reading in outbox.readings()] == [None] * 4
        outbox.set_time(_START_MS)
        outbox.append({}, _START_MS + 7, 7)
        times = [_START_MS, _START_MS + 1000, _START_MS + 4_000_000_000, None, _START_MS + 7]
        # A later boot knows it too, whatever its own clock says.
        opened = flash.open()
        opened.set_time(5)
        for each in (outbox, opened):
            assert [reading[1] for reading in each.readings()] == times


def test_time_of_a_boot_whose_clock_never_was_right_stays_unknown():
    with Flash() as flash:
        flash.open().append({}, None, 1000)
        second = flash.open()
        second.append({}, None, 2000)
        second.set_time(_START_MS)
        third = flash.open()
        third.append({}, None, 3000)
        times = [reading[1] for reading in third.readings()]
        assert times == [None, _START_MS + 2000, None]


def test_time_of_a_boot_told_again_is_the_last_one_told():
    with Flash() as flash:
        first = flash.open()
        first.append({}, None, 1000)
        first.set_time(_START_MS)
        outbox = flash.open()
        outbox.append({}, None, 2000)
        for ms in range(6):
            outbox.set_time(_START_MS + ms)
        for opened in (outbox, flash.open()):
            times = [reading[1] for reading in opened.readings()]
            assert times == [_START_MS + 1000, _START_MS + 5 + 2000]


def test_time_of_many_boots_keeps_the_last_four():
    with Flash() as flash:
        for boot in range(6):
            outbox = flash.open()
            outbox.append({}, None, 10)
            outbox.set_time(_START_MS + boot)
        times = [reading[1] for reading in flash.open().readings()]
        assert times[2:] == [_START_MS + boot + 10 for boot in range(2, 6)]
        assert times[:2] == [None, None]


def test_newest_time_on_flash_is_known_after_opening():
    with Flash() as flash:
        outbox = flash.open()
        assert outbox.newest_unix_ms == 0
        fill(outbox, 30)
        outbox.append({}, None, 5)
        assert flash.open().newest_unix_ms == _START_MS + 30


# Damage


def _flip(data, index):
    broken = bytearray(data)
    broken[index] ^= 0x40
    return bytes(broken)


# Of 100 readings with 1 to 10 acknowledged, 11 to 96 are in segments s00000001 and further on,
# 97 to 100 in slots only; a frame is `len(frame)` bytes. Each: what is done, what waits then, and
# whether the stream has to be a new one.
def _damages():
    def cursor(data):
        return lambda flash: flash.write("acked/cursor", data)

    def beyond(flash):
        # A whole cursor, of a time that has not come: next 900, acknowledged 899.
        head = b"\x84\x03\0\0\x83\x03\0\0" + bytes(8)
        flash.write("acked/cursor", encode_frame(0x43, head))

    def slot_becomes(seq, change):
        return lambda flash: flash.write(slot(seq), change(flash.read(slot(seq))))

    def segment(index, change):
        def damage(flash):
            name = "backlog/" + flash.segments()[index]
            flash.write(name, change(flash.read(name)))

        return damage

    def torn(data):
        return data[:-9]

    def middle(data):
        return _flip(data, 20)

    def all_slots(flash):
        for seq in range(77, 101):
            flash.write(slot(seq), b"\x52\x10")

    def write(name, data):
        return lambda flash: flash.write(name, data)

    everything = range(11, 101)
    return (
        ("no damage", lambda flash: None, everything, False),
        ("no cursor", lambda flash: os.remove(flash.file("acked/cursor")), None, False),
        ("empty cursor", cursor(b""), None, False),
        ("corrupt cursor", cursor(b"C\x10\0" + b"\1" * 20), None, False),
        ("cursor of another format", cursor(encode_frame(0x63, b"?" * 16)), None, False),
        ("cursor beyond the end", beyond, None, True),
        ("no stream", lambda flash: os.remove(flash.file("stream")), everything, True),
        ("empty stream", write("stream", b""), everything, True),
        ("corrupt stream", write("stream", b"S\4\0abcdefgh"), everything, True),
        ("newest slot empty", slot_becomes(100, lambda data: b""), range(11, 100), False),
        ("newest slot torn", slot_becomes(100, torn), range(11, 100), False),
        ("newest slot corrupt", slot_becomes(100, middle), range(11, 100), False),
        (
            "slot that waits corrupt",
            slot_becomes(98, middle),
            [seq for seq in everything if seq != 98],
            False,
        ),
        ("slot in a segment corrupt", slot_becomes(90, middle), everything, False),
        (
            "slot of another format",
            slot_becomes(99, lambda data: encode_frame(0x31, data)),
            [seq for seq in everything if seq != 99],
            False,
        ),
        ("all slots lost", all_slots, range(1, 97), True),
        (
            "first record of a segment corrupt",
            segment(1, middle),
            None,
            False,
        ),
        # Its last reading is in a slot still.
        ("torn tail", segment(-1, torn), everything, False),
        ("tail of zeros", segment(-1, lambda data: data + bytes(50)), everything, False),
        ("tail of blank flash", segment(-1, lambda data: data + b"\xff" * 50), everything, False),
        ("empty segment", write("backlog/s00000061", b""), everything, False),
        ("segment of garbage", write("backlog/s00000061", b"\x52\x10\0" * 99), everything, False),
        ("foreign files", write("backlog/readme.txt", b"?"), everything, False),
        ("foreign names", write("backlog/sxyz", b"?"), everything, False),
        ("older queue file", write("queue.json", b'[{"seq": 1}]'), everything, False),
    )


def test_damage_opens_to_a_correct_state_and_goes_on():
    for case, damage, left, new_stream in _damages():
        with Flash() as flash:
            outbox = flash.open()
            fill(outbox, 100)
            outbox.acknowledge(10)
            assert len(flash.segments()) > 1
            damage(flash)
            opened = flash.open()
            assert (opened.stream != outbox.stream) == new_stream, case
            seqs = [reading[0] for reading in opened.readings()]
            if left is None:
                # Sent again, perhaps; in this damage nothing that waits may be missing but the
                # one record that was hit.
                missing = [seq for seq in range(11, 101) if seq not in seqs]
                assert len(missing) <= (1 if "record" in case else 0), (case, missing)
                check(opened, seqs, case)
            else:
                check(opened, left, case)
            check_goes_on(flash, opened, 96 if case == "all slots lost" else 99, case)


def test_damage_that_loses_readings_is_counted():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 10)
        for seq in (3, 4, 10):
            flash.write(slot(seq), _flip(flash.read(slot(seq)), 15))
        opened = flash.open()
        assert opened.next_seq == 11
        while opened.pending:
            reading = opened.oldest()
            if reading:
                opened.acknowledge(reading[0])
        assert opened.dropped == 3
        assert [line[1] for line in flash.lines] == ["unreadable, dropped"] * 2
        assert flash.open().dropped == 3


def test_slots_corrupt_and_met_twice_behind_an_old_cursor_use_no_seq_twice():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 16)
        outbox.acknowledge(16)
        outbox.sync()
        for seq in range(17, 91):
            fill(outbox, 1)
            outbox.acknowledge(seq)
        # The slots of 17 and 18, where the cursor points: met at once, and again at the end.
        for seq in (89, 90):
            flash.write(slot(seq), _flip(flash.read(slot(seq)), 9))
        opened = flash.open()
        assert (opened.stream, opened.next_seq) == ("01010101", 91)
        check_goes_on(flash, opened, 90, "")


def test_segment_that_was_acknowledged_but_is_still_there_is_removed():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 100)
        name = "backlog/" + flash.segments()[0]
        data = flash.read(name)
        outbox.acknowledge(98)
        outbox.sync()
        assert flash.segments() == []
        flash.write(name, data)
        opened = flash.open()
        check(opened, (99, 100))
        assert flash.segments() == []


def test_every_byte_of_a_segment_corrupt_loses_one_reading_at_most():
    with Flash() as flash:
        fill(flash.open(), 60)
        name = "backlog/" + flash.segments()[0]
        data = flash.read(name)
        for index in range(0, len(data), 7):
            flash.write(name, _flip(data, index))
            outbox = flash.open()
            seqs = [reading[0] for reading in outbox.readings()]
            missing = [seq for seq in range(1, 61) if seq not in seqs]
            assert len(missing) <= 1, (index, missing)
            assert seqs == sorted(seqs), index


def test_segment_with_a_damaged_tail_takes_more_behind_it():
    for tail in (b"\x52\x60\0" + b"?" * 60, b"\xff" * 300, bytes(300), b"\x52\0\x07torn"):
        with Flash() as flash:
            fill(flash.open(), 48)
            name = "backlog/" + flash.segments()[-1]
            flash.write(name, flash.read(name) + tail)
            outbox = flash.open()
            fill(outbox, 80)
            for opened in (outbox, flash.open()):
                check(opened, range(1, 129), tail)
            while outbox.pending:
                outbox.acknowledge(outbox.oldest()[0])
            assert (outbox.dropped, outbox.next_seq) == (0, 129)


def test_every_length_of_a_torn_segment_keeps_all_that_is_whole():
    with Flash() as flash:
        fill(flash.open(), 24 + 24)
        name = "backlog/" + flash.segments()[0]
        data = flash.read(name)
        size = len(data) // 24
        for length in range(0, len(data), 11):
            flash.write(name, data[:length])
            # The slots have gone on: only what the segment holds is left of the first 24.
            outbox = flash.open()
            seqs = [reading[0] for reading in outbox.readings()]
            assert seqs[-24:] == list(range(25, 49)), length
            whole = [seq for seq in seqs if seq < 25]
            assert abs(len(whole) - length // size) <= 1, (length, whole)
            assert whole == list(range(1, len(whole) + 1)), length


def test_folder_of_the_ring_that_was_not_needed_yet_is_made():
    with Flash() as flash:
        outbox = flash.open()
        fill(outbox, 3)
        outbox.close()
        os.rmdir(flash.file("r0"))
        outbox = flash.open()
        fill(outbox, 3)
        check(flash.open(), range(1, 7))


def test_file_where_the_folder_should_be_is_an_error_and_stays():
    with Flash() as flash:
        with open(flash.path, "wb") as file:
            file.write(b"mine")
        try:
            flash.open()
        except StorageError:
            pass
        else:
            raise AssertionError("no error")
        with open(flash.path, "rb") as file:
            assert file.read() == b"mine"
