"""What `linkpost outbox` makes of a board's files: the firmware's own reading, of a copy."""

import json

import pytest
from click.testing import CliRunner
from filled_outbox import START_MS, files_in, fill_outbox

from tools.firmware.outbox_copy import look_into
from tools.outbox.command import outbox
from tools.virtual_board.image import build_image
from tools.virtual_board.kinds import KINDS


class Flash:
    """Files as a board has them; notes what was fetched, and has nothing to write with."""

    def __init__(self, files):
        self.content = files
        self.fetched = []

    def files(self, *paths):
        return {
            path: len(data)
            for path, data in self.content.items()
            if any(path.startswith(one) for one in paths)
        }

    def read(self, path):
        self.fetched.append(path)
        return self.content.get(path)


def segments_fetched(flash):
    return [path for path in flash.fetched if "/backlog/s" in path]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """More than one segment waits, three readings are quarantined."""
    folder = tmp_path_factory.mktemp("filled")
    outbox = fill_outbox(folder, 300, 40, 3, max_bytes=300_000, values={"text": "x" * 100})
    return outbox, files_in(folder)


@pytest.fixture
def backlog(filled):
    outbox, files = filled
    assert len([path for path in files if "/backlog/s" in path]) >= 3
    return outbox, Flash(dict(files))


def test_counts_are_the_firmwares_and_cost_one_segment(backlog):
    filled, flash = backlog
    found = look_into(flash)
    assert (found.stream, found.next_seq) == (filled.stream, filled.next_seq)
    assert (found.pending, found.quarantined, found.dropped) == (300, 3, 0)
    assert found.waiting == found.quarantined_readings == []
    assert len(segments_fetched(flash)) == 1


def test_oldest_waiting_readings_come_without_fetching_the_rest(backlog):
    _, flash = backlog
    found = look_into(flash, waiting=5)
    assert [one.seq for one in found.waiting] == [44, 45, 46, 47, 48]
    assert found.waiting[0].values["n"] == 44
    assert found.waiting[0].unix_ms == START_MS + 44
    assert len(segments_fetched(flash)) == 2


def test_all_waiting_readings_come_in_order_each_file_once(backlog):
    _, flash = backlog
    found = look_into(flash, waiting=10_000)
    assert [one.seq for one in found.waiting] == list(range(44, 344))
    assert len(flash.fetched) == len(set(flash.fetched))


def test_quarantined_readings_come_when_asked_for(backlog):
    _, flash = backlog
    found = look_into(flash, quarantined=True).quarantined_readings
    assert [one.seq for one in found] == [41, 42, 43]
    assert {one.refusal for one in found} == {"10001 param error"}
    assert found[0].values.keys() == {"n", "text"}


def test_last_segment_without_a_whole_reading_is_passed_over(backlog):
    filled, flash = backlog
    last = max(path for path in flash.content if "/backlog/s" in path)
    torn = f"{last[:-8]}{int(last[-8:], 16) + 5000:08x}"
    flash.content[torn] = b"\x52\x40"
    found = look_into(flash, waiting=10_000)
    assert found.next_seq == filled.next_seq
    assert len(found.waiting) == 300


def test_reading_that_is_damaged_is_left_out_and_the_rest_stays(backlog):
    _, flash = backlog
    first = min(path for path in flash.content if "/backlog/s" in path)
    data = bytearray(flash.content[first])
    data[len(data) // 2] ^= 0xFF
    flash.content[first] = bytes(data)
    seqs = [one.seq for one in look_into(flash, waiting=10_000).waiting]
    assert len(seqs) == 299
    assert seqs == sorted(seqs)


def test_few_readings_that_are_only_in_slots_are_found(tmp_path):
    fill_outbox(tmp_path, waiting=3, accepted=4)
    found = look_into(Flash(files_in(tmp_path)), waiting=10)
    assert [one.seq for one in found.waiting] == [5, 6, 7]


def test_files_that_are_not_of_an_outbox_are_not_fetched(tmp_path):
    fill_outbox(tmp_path, waiting=3)
    flash = Flash(files_in(tmp_path))
    flash.content |= {"outbox/../../evil": b"x", "outbox/photo.jpg": b"x", "outboxes/stream": b""}
    assert look_into(flash).pending == 3
    assert not {"outbox/../../evil", "outbox/photo.jpg", "outboxes/stream"} & set(flash.fetched)


def test_flash_without_an_outbox_has_none():
    found = look_into(Flash({"config.json": b"{}"}), waiting=5, quarantined=True)
    assert (found.stream, found.pending, found.waiting, found.quarantined_readings) == (
        None,
        0,
        [],
        [],
    )


def test_lost_cursor_is_reported(tmp_path):
    fill_outbox(tmp_path, waiting=300)
    flash = Flash({k: v for k, v in files_in(tmp_path).items() if "/r" not in k})
    del flash.content["outbox/acked/cursor"]
    assert any("cursor lost" in note for note in look_into(flash).notes)


@pytest.mark.parametrize("where", ["folder", "image"])
def test_virtual_boards_flash_is_looked_into_and_left_as_it_is(tmp_path, where):
    folder = tmp_path / "flash"
    fill_outbox(folder, waiting=120, accepted=2, refused=1)
    flash = folder
    if where == "image":
        flash = tmp_path / "board.img"
        flash.write_bytes(build_image(KINDS["RPI_PICO_W"], files_in(folder)))
    before = files_in(folder) if where == "folder" else flash.read_bytes()
    arguments = ["--flash", str(flash)]
    listed = CliRunner().invoke(outbox, [*arguments, "--json", "--limit", "0"])
    assert listed.exit_code == 0, listed.output
    found = json.loads(listed.stdout)
    assert (found["pending"], found["quarantined"]) == (120, 1)
    assert [one["seq"] for one in found["readings"]] == list(range(4, 124))
    assert found["readings"][0]["time"] == START_MS + 4
    quarantined = CliRunner().invoke(outbox, [*arguments, "--quarantined"])
    assert "120 waiting, 1 quarantined, 0 dropped" in quarantined.stdout
    assert quarantined.stdout.splitlines()[-1].split()[0] == "3"
    assert quarantined.stdout.endswith(" n 3, refused: 10001 param error\n")
    assert before == (files_in(folder) if where == "folder" else flash.read_bytes())


def test_list_that_is_cut_off_says_so_and_is_no_wider_than_it_is_told(tmp_path):
    fill_outbox(tmp_path, waiting=120)
    result = CliRunner().invoke(outbox, ["--flash", str(tmp_path), "--limit", "7"])
    assert (
        len([row for row in result.stdout.splitlines() if row.endswith(tuple("0123456789"))]) >= 7
    )
    assert "113 newer ones are waiting too" in result.stderr
    assert "\x1b" not in result.output


@pytest.mark.parametrize("name", ["nothing.img", "small.img"])
def test_what_is_no_flash_is_refused_in_one_line(tmp_path, name):
    (tmp_path / "small.img").write_bytes(b"x")
    result = CliRunner().invoke(outbox, ["--flash", str(tmp_path / name)])
    assert result.exit_code != 0
    assert "--flash" in str(result.exception)
