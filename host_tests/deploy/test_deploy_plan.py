"""What a deploy decides before it touches a board."""

from __future__ import annotations

import pytest
import trustme
from littlefs_board import LittlefsBoard

from tools.bench.chip import result
from tools.deploy import command as deploy
from tools.deploy import plan
from tools.deploy.boot import FirstLines
from tools.deploy.plan import EDITED, NONE, OTHER, OURS
from tools.firmware import deploy_record
from tools.terminal.failures import CommandError
from tools.usb import heap_text
from tools.usb.identity import Identity, from_answer

CONFIG = (
    b'{"endpoint": "localhost", "product_key": "a1B2c3D4e5F", "device_name": "sensor01",'
    b' "device_secret": "0123456789abcdef0123456789abcdef", "sensors": [{"type": "simulated"}]}'
)
OURS_SHA256 = plan.sha256(b"ours")


@pytest.mark.parametrize(
    ("content", "whose"),
    [
        (None, NONE),
        (b"ours", OURS),
        (b"from linkpost import App\n", EDITED),
        (b"print('blink')\n", OTHER),
        (b"", NONE),  # what a cut leaves of a new file
    ],
)
def test_main_on_the_board_is_told_by_its_hash_and_by_what_it_uses(content, whose):
    assert plan.whose_main(content, {OURS_SHA256, None}) == whose


def board_that_is(monkeypatch, **changes) -> tuple[LittlefsBoard, dict[str, bytes]]:
    files = {"config.json": CONFIG, "main.py": b"from linkpost import App\n"}
    board = LittlefsBoard(files)
    who = board.identify()
    answer = Identity(**{**who.__dict__, **changes})
    monkeypatch.setattr(board, "identify", lambda: answer)
    return board, files


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mpy_version": 5, "micropython": (1, 18, 0)}, "1.18.0 .byte code 5.* linkpost flash"),
        ({"mpy_version": 0}, "byte code 0"),
        ({"micropython": (1, 24, 1)}, "1.24.1 .*Put 1.25 or newer"),
        ({"platform": "esp8266", "machine": "ESP module with ESP8266"}, "ESP8266"),
    ],
)
def test_board_that_cannot_run_it_is_refused_and_nothing_is_written(monkeypatch, changes, words):
    board, files = board_that_is(monkeypatch, **changes)
    with pytest.raises(CommandError, match=words) as caught:
        deploy._Deployment(board, None, False).run()
    assert caught.value.exit_code == 2
    assert board.content() == files
    assert board.started


def test_secret_is_in_no_message_of_a_wrong_config():
    text = CONFIG.replace(b'"localhost"', b"7")
    with pytest.raises(CommandError) as caught:
        plan.parse_config(text, "COM3")
    assert "endpoint" in str(caught.value)
    assert "0123456789abcdef" not in str(caught.value)


def test_config_on_the_board_is_read_as_the_board_reads_it():
    marked = b"\xef\xbb\xbf" + CONFIG
    assert plan.parse_config(marked, "COM3")[0] == plan.parse_config(CONFIG, "COM3")[0]
    for text, words in ((b"\xff\xfe{\x00}\x00", "is not JSON in UTF-8"), (b"{,}", "is not JSON")):
        with pytest.raises(CommandError, match=f"{words}.*linkpost provision"):
            plan.parse_config(text, "COM3")


@pytest.mark.parametrize("text", [None, "", "{", "[]", '"x"', '{"version": "0'])
def test_record_that_is_absent_or_damaged_tells_nothing(text):
    assert deploy_record.parse(text) == deploy_record.Record()


def test_record_tells_version_and_main_and_fits_into_its_folder():
    made = deploy_record.render(b"ours")
    assert deploy_record.parse(made.decode()).main_sha256 == OURS_SHA256
    assert len(made) <= 128  # what littlefs keeps inline with an ESP32's settings


def test_full_flash_that_counts_wrongly_has_nothing_free():
    answer = ("micropython", (1, 27, 0), "rp2", "Pico", "", 6, True, 4294967295, 868352, None)
    assert from_answer(answer).free_bytes == 0


def test_files_for_the_chip_and_config_of_the_board_are_what_it_gets():
    board = LittlefsBoard({"config.json": CONFIG})
    deploy._Deployment(board, None, False).run()
    content = board.content()
    assert {"main.py", "lib/linkpost/app.mpy", "lib/linkpost/ports/host.mpy"} <= content.keys()
    assert "lib/linkpost/sensors/simulated.mpy" in content
    assert "lib/linkpost/ports/esp32.mpy" not in content
    assert content["config.json"] == CONFIG


def test_ca_stays_through_deploys_until_another_or_until_it_is_taken_off(tmp_path):
    ca, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    for path in (ca, other):
        trustme.CA().cert_pem.write_to_path(str(path))
    board = LittlefsBoard({"config.json": CONFIG})
    done = deploy._Deployment(board, ca, False).run()
    (first,) = [path for path in done["copied"] if path.startswith("certs/ca-")]
    done = deploy._Deployment(board, None, False).run()
    assert (done["copied"], done["removed"]) == ([], [])
    assert first in board.content()
    board.write("certs/ca-01234567.der", b"what a cut has left")
    done = deploy._Deployment(board, None, False).run()
    assert done["removed"] == ["certs/ca-01234567.der"]
    assert first in board.content()
    done = deploy._Deployment(board, other, False).run()
    assert done["removed"] == [first]
    (second,) = [path for path in done["copied"] if path.startswith("certs/ca-")]
    done = deploy._Deployment(board, None, False, keeps_ca=False).run()
    assert done["removed"] == [second]
    assert done["copied"] == [deploy_record.PATH, "main.py"]


def test_memory_that_the_boot_logged_is_known():
    lines = FirstLines()
    lines.take("1.000 I app heap total=81920 free=38000 idf_free=56000 idf_largest=24000")
    assert lines.heap == {"total": 81920, "free": 38000, "idf_free": 56000, "idf_largest": 24000}
    assert heap_text.left_by_log(lines.heap) == "may take about 20 KB beside the app"


def test_memory_by_the_boot_s_log_is_no_more_than_what_was_measured_to_be_left():
    """In an ESP32's heap of 81,920: what the emulated chip logs there, and bench-chip's row."""
    found = {"total": 81_920, "free": 40_544, "idf_free": 56_000, "idf_largest": 24_000}
    measured = result.read()
    assert measured is not None
    promised = int(heap_text.left_by_log(found).split()[3])
    assert 16 <= promised <= measured.figures["room.81920"] // 1024
