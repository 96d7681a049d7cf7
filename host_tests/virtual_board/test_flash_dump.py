"""A dump of a dead board's flash: where its file system lies is found, whatever was read off."""

import json
import random

import pytest
from filled_outbox import START_MS, files_in, fill_outbox
from linkpost_command import run

from tools.virtual_board.flash_dump import file_systems
from tools.virtual_board.flash_files import flash_files
from tools.virtual_board.image import build_image
from tools.virtual_board.kinds import KINDS

CONFIG = {"product_key": "a1pk", "device_name": "dead-01", "device_secret": "s" * 32}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    values = {"t": 21.299999237060547, "on": True, "error": {"dht": "no answer"}, "text": "Küche"}
    outbox = fill_outbox(folder, 300, 40, 3, max_bytes=300_000, values=values)
    return outbox, {**files_in(folder), "config.json": json.dumps(CONFIG).encode()}


@pytest.fixture(scope="module", params=["ESP32_GENERIC", "RPI_PICO_W", "RPI_PICO2_W"])
def image(request, filled):
    kind = KINDS[request.param]
    return kind, build_image(kind, filled[1])


def noise(size):
    return random.Random(7).randbytes(size)


def whole_flash(kind, image):
    """As esptool or picotool reads it: MicroPython first, and on some chips something behind."""
    start = 0x200000 if kind.name.startswith("ESP32") else 0x12C000
    return noise(start) + image


def without_older(kind, image):
    """The two blocks of the root: the one with the higher revision counts."""
    first, second = (int.from_bytes(image[at : at + 4], "little") for at in (0, 4096))
    at = 4096 if first > second else 0
    return image[:at] + noise(4096) + image[at + 4096 :]


SHAPES = {
    "the file system alone": lambda kind, image: image,
    "the whole flash": whole_flash,
    "something behind it": lambda kind, image: whole_flash(kind, image) + noise(8192),
    "an older file system before it": lambda kind, image: build_image(kind, {"x": b"1"}) + image,
    "the older of the first two blocks gone": without_older,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_waiting_readings_are_saved_from_a_dump(tmp_path, filled, image, shape):
    outbox, _ = filled
    kind, content = image
    dump = tmp_path / "dump.bin"
    dump.write_bytes(SHAPES[shape](kind, content))
    before = dump.read_bytes()
    out = tmp_path / "readings.jsonl"
    done = run("outbox", "--flash", dump, "--save", out, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "device": "a1pk/dead-01", "stream": outbox.stream, "first": 44, "last": 343, "count": 300,
        "file": str(out),
    }  # fmt: skip
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(44, 344))
    assert lines[0] == {
        "device": "a1pk/dead-01",
        "stream": outbox.stream,
        "seq": 44,
        "time": START_MS + 44,
        "values": {
            "n": 44, "t": 21.3, "on": True, "error": {"dht": "no answer"}, "text": "Küche",
        },
    }  # fmt: skip
    assert "s" * 32 not in out.read_text() + done.stdout + done.stderr
    assert dump.read_bytes() == before


@pytest.mark.parametrize("part", [3 / 4, 0.98])
def test_dump_that_ends_early_says_so_and_is_never_taken_for_whole(tmp_path, image, part):
    _, content = image
    dump = tmp_path / "dump.bin"
    dump.write_bytes(content[: int(len(content) * part)])
    done = run("outbox", "--flash", dump, "--json")
    # Where a folder lies in what is missing, littlefs opens nothing of it.
    if done.returncode == 0:
        assert f"ends after {dump.stat().st_size:,} of {len(content):,} bytes" in done.stderr
        assert json.loads(done.stdout)["pending"] <= 300
    else:
        assert done.returncode == 2
        assert f"would reach to {len(content):,}: read it again" in done.stderr


def test_dump_without_a_file_system_is_refused_in_a_line(tmp_path):
    for content in (b"", noise(100_000), b"\xff" * 65536, b"\0" * 8 + b"littlefs" + bytes(65536)):
        dump = tmp_path / "dump.bin"
        dump.write_bytes(content)
        done = run("outbox", "--flash", dump)
        assert done.returncode == 2
        assert "there is no file system that can be opened" in done.stderr
        assert done.stderr.count("\n") == 1


def test_one_that_has_an_outbox_is_taken_where_there_are_several(tmp_path, image):
    kind, content = image
    dump = tmp_path / "dump.bin"
    dump.write_bytes(build_image(kind, {"x": b"1"}) + content)
    assert len(list(file_systems(dump.read_bytes()))) == 2
    assert flash_files(dump).files("outbox")


def test_save_writes_over_nothing_and_nothing_where_nothing_waits(tmp_path):
    fill_outbox(tmp_path / "flash", 0, 5)
    out = tmp_path / "out.jsonl"
    done = run("outbox", "--flash", tmp_path / "flash", "--save", out)
    assert (done.returncode, done.stdout) == (0, "")
    assert "No reading is waiting" in done.stderr
    assert not out.exists()
    fill_outbox(tmp_path / "flash2", 3)
    out.write_text("mine")
    done = run("outbox", "--flash", tmp_path / "flash2", "--save", out)
    assert (done.returncode, out.read_text()) == (2, "mine")
    assert "already exists" in done.stderr
    done = run("outbox", "--flash", tmp_path / "flash2", "--save", tmp_path / "no" / "out")
    assert done.returncode == 2
    assert "cannot write" in done.stderr


def test_readings_of_a_flash_without_a_config_have_no_device(tmp_path):
    outbox = fill_outbox(tmp_path / "flash", 3)
    out = tmp_path / "out.jsonl"
    done = run("outbox", "--flash", tmp_path / "flash", "--save", out)
    assert done.stdout == (
        f"{out}: 3 readings of a device without config.json, "
        f"outbox id {outbox.stream}, seq=1 to seq=3\n"
    )
    assert json.loads(out.read_text().splitlines()[0])["device"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--forget-through", 3, "--flash", "x"), "goes alone"),
        (("--forget-through", 3, "--save", "x"), "goes alone"),
        (("--stream", "00000000"), "go with --forget-through"),
        (("--save", "x", "--quarantined", "--flash", "x"), "leave --quarantined out"),
        (("--forget-through", 3, "--port", "no-port"), "asks first"),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(arguments, words):
    done = run("outbox", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
