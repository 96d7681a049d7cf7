"""Deploy with the power cut in the middle of every single flash operation, on real littlefs."""

from __future__ import annotations

import json

import pytest
from littlefs_board import LittlefsBoard

from tools.deploy import command as deploy
from tools.deploy import plan as deploy_plan
from tools.firmware import deploy_record
from tools.terminal.failures import CommandError
from tools.usb.repl import BoardLost

CONFIG = {
    "endpoint": "localhost:9",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "0123456789abcdef",
    "sensors": [{"type": "simulated"}],
}
# Never ours to touch.
THEIRS = {
    "config.json": json.dumps(CONFIG).encode(),
    "token": b"t" * 300,
    "outbox/r0/a": b"reading" * 7,
    "outbox/backlog/s00000001": b"readings" * 500,
    "user/my_sensor.py": b"class MySensor: pass\n",
    "boot.py": b"# the person's\n",
}
OLD_MAIN = b"from linkpost import App  # the old one\n"
NEW_MAIN = b"from linkpost import App  # the new one\n"
EDITED_MAIN = b"from linkpost import App  # the person's\n"


def a_set(main: bytes, **changes: bytes | None) -> dict[str, bytes]:
    """Return files as `files_for` does, few of them: a small, a large, an empty one."""
    files: dict[str, bytes | None] = {
        "main.py": main,
        "lib/linkpost/app.mpy": b"M\x06" + b"app" * 1500,
        "lib/linkpost/net/wifi.mpy": b"M\x06" + b"wifi" * 20,
        "lib/linkpost/storage/__init__.mpy": b"M\x06",
        "certs/root.der": b"0" * 900,
    }
    files.update({name.replace("__", "/"): data for name, data in changes.items()})
    kept = {name: data for name, data in files.items() if data is not None}
    return {**kept, deploy_record.PATH: deploy_record.render(main)}


OLD = a_set(
    OLD_MAIN, **{"lib__linkpost__gone.mpy": b"M\x06gone" * 300, "certs__old.der": b"1" * 9}
)
NEW = a_set(
    NEW_MAIN,
    **{
        "lib__linkpost__app.mpy": b"M\x06" + b"App" * 1600,
        "lib__linkpost__new.mpy": b"M\x06n" * 99,
    },
)

SCENARIOS = {
    "fresh": ({}, NEW_MAIN),
    "upgrade": (OLD, NEW_MAIN),
    "repair": ({**NEW, "lib/linkpost/app.mpy": b"M\x06Ap"}, NEW_MAIN),
    "nothing new": (NEW, NEW_MAIN),
    "edited main.py": ({**OLD, "main.py": EDITED_MAIN}, EDITED_MAIN),
}


@pytest.fixture(autouse=True)
def small_set(monkeypatch):
    monkeypatch.setattr(deploy, "files_for", lambda *_, **options: dict(NEW))


def run(board: LittlefsBoard, replace_main: bool = False) -> dict:
    done = deploy._Deployment(board, None, replace_main).run()
    board.leave_running()
    return done


def check_is_safe(board: LittlefsBoard, before: dict[str, bytes]) -> None:
    """Check what is promised after a cut, whatever it cut."""
    content = board.content()
    for path, data in THEIRS.items():
        assert content.get(path) == data, path
    if "main.py" not in content:
        return  # the boot ends at the REPL
    # What main.py imports is whole: the set before this deploy, or the new one.
    files = {path: data for path, data in content.items() if path.startswith(("lib/", "certs/"))}
    sets = [
        {path: data for path, data in one.items() if path.startswith(("lib/", "certs/"))}
        for one in (before, NEW)
    ]
    assert files in sets


def check_is_deployed(board: LittlefsBoard, main: bytes) -> None:
    assert board.content() == {**THEIRS, **NEW, "main.py": main}


@pytest.mark.parametrize("kind", ["ESP32_GENERIC", "RPI_PICO_W"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_deploy_cut_at_every_flash_operation_is_repaired_by_the_next(scenario, kind):
    before, main = SCENARIOS[scenario]
    image = LittlefsBoard({**THEIRS, **before}, kind=kind, blocks=64)
    start = bytes(image.flash.buffer)
    cut_at = 0
    while True:
        cut_at += 1
        board = LittlefsBoard({}, kind=kind, blocks=64)
        board.flash.buffer[:] = start
        board.power_up()
        board.flash.cut_at = cut_at
        try:
            run(board)
        except BoardLost:
            board.power_up()
            check_is_safe(board, before)
            run(board)
            check_is_deployed(board, main)
        else:
            check_is_deployed(board, main)
            break
    assert cut_at > (2 if scenario == "nothing new" else 10)


def test_deploy_cut_twice_is_repaired_by_the_third():
    before, main = SCENARIOS["edited main.py"]
    for first in range(1, 60, 5):
        for second in range(1, 60, 11):
            board = LittlefsBoard({**THEIRS, **before}, blocks=64)
            for cut_at in (first, second):
                board.power_up()
                board.flash.cut_at = cut_at
                try:
                    run(board)
                except BoardLost:
                    board.power_up()
                    check_is_safe(board, before)
            board.power_up()
            run(board)
            check_is_deployed(board, main)


def test_second_deploy_copies_nothing_and_writes_only_the_flag():
    board = LittlefsBoard(THEIRS)
    run(board)
    board.power_up()
    done = run(board)
    assert (done["copied"], done["removed"], done["unchanged"]) == ([], [], len(NEW))
    assert board.flash.operations <= 4  # the hold flag comes and goes


def test_edited_main_is_kept_and_replaced_only_when_agreed():
    board = LittlefsBoard({**THEIRS, **OLD, "main.py": EDITED_MAIN})
    assert run(board)["kept_main"]
    check_is_deployed(board, EDITED_MAIN)
    assert not run(board, replace_main=True)["kept_main"]
    content = board.content()
    assert content.pop("main.old.py") == EDITED_MAIN
    assert content == {**THEIRS, **NEW}


def test_main_of_another_program_is_refused_and_the_board_runs_on():
    theirs = {**THEIRS, "main.py": b"print('blink')\n"}
    board = LittlefsBoard(theirs)
    with pytest.raises(CommandError, match="another program"):
        run(board)
    assert board.content() == theirs
    assert board.started
    run(board, replace_main=True)
    assert board.content() == {**THEIRS, **NEW, "main.old.py": b"print('blink')\n"}


def test_main_replaced_twice_keeps_both_old_ones():
    board = LittlefsBoard(THEIRS)
    for text in (b"print(1)", b"print(2)"):
        board.write("main.py", text)
        run(board, replace_main=True)
    content = board.content()
    assert (content["main.old.py"], content["main.old2.py"]) == (b"print(1)", b"print(2)")


@pytest.mark.parametrize("readings", range(30, 38))
def test_flash_too_full_is_said_before_anything_is_written_or_repairable(readings):
    # Around the limit: the estimate may let one through that does not fit; then it is repairable.
    full = {f"outbox/b{number}": b"r" * 4096 for number in range(readings)}
    board = LittlefsBoard({**THEIRS, **OLD, **full}, blocks=64)
    before = board.content()
    try:
        run(board)
    except CommandError as error:
        assert "full" in str(error)
        if "Nothing was written" in str(error):
            assert board.content() == before
        else:
            assert "main.py" not in board.content()
        board.remove(*full)
        run(board)
        full = {}
    assert board.content() == {**THEIRS, **NEW, **full}


def test_config_missing_or_wrong_stops_before_anything_is_written():
    for config, words in ((None, "provision"), (b"{", "JSON"), (b'{"endpoint": 7}', "endpoint")):
        files = {**OLD, **({"config.json": config} if config else {})}
        board = LittlefsBoard(files)
        with pytest.raises(CommandError, match=words) as caught:
            run(board)
        assert caught.value.exit_code == 2
        assert board.content() == files
        assert board.started


def test_plan_when_only_a_file_is_to_be_removed_rewrites_main_and_record():
    hashes = {path: deploy_plan.sha256(data) for path, data in {**NEW, "certs/x": b""}.items()}
    plan = deploy_plan.plan(NEW, hashes, keeps_main=False)
    assert (list(plan.copy), plan.remove) == ([deploy_record.PATH], ["certs/x"])
    assert plan.writes_main
