"""Boots of the chip's own build: safe mode, hold, power cuts, and an upgrade in the field."""

import zipfile
from pathlib import Path

import linkpost_command
import pytest
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess

from host_tests.chip import cuts, progress
from host_tests.chip.emulated_board import WIFI, EmulatedBoard, chip_on_port, readings
from tools.chip import flash
from tools.virtual_board import supervisor

pytestmark = [pytest.mark.long, pytest.mark.timeout(3000)]

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"
CUTS = 40
LEAST_OF_EACH = 5
PARTS = 8
OLD_FIRMWARE = Path(__file__).parent / "firmware_0_1_0.zip"


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess() as process:
        yield process


def test_five_boots_that_crash_end_in_safe_mode_and_ctrl_c_gets_in(tmp_path, emulator):
    emulated = EmulatedBoard(tmp_path)
    main = b"from linkpost.boot import run\nrun(lambda: 1 // 0)\n"
    emulated.put(emulator.platform, emulator.ca, main=main)
    outcome = emulated.run(reports=1, timeout_s=120, until=lambda line: "safe mode" in line)
    assert outcome.reason == supervisor.TIMEOUT
    crashes = [line for line in emulated.lines if " app crashed " in line]
    assert len(crashes) == 5, emulated.log
    assert " E app safe mode boots_failed=5" in emulated.log
    assert emulated.is_at_prompt


def test_held_board_starts_no_app_and_is_left_at_its_repl(tmp_path, emulator):
    emulated = EmulatedBoard(tmp_path)
    emulated.put(emulator.platform, emulator.ca, more={"hold": b""})
    outcome = emulated.run(reports=1, timeout_s=60)
    assert outcome.reason == supervisor.CRASHED and "after 0 of 1 reports" in outcome.message
    assert emulated.is_at_prompt
    assert " W app held: not started file=hold" in emulated.log
    assert outcome.counts.accepted == 0


@pytest.fixture(scope="module")
def phases(tmp_path_factory, emulator):
    return cuts.Cuts(tmp_path_factory.mktemp("phases"), emulator).phases()


@pytest.fixture(scope="module")
def chosen(phases):
    """The operations that are cut: spread evenly, and enough of each kind."""
    chosen = cuts.spread(phases, CUTS, LEAST_OF_EACH)
    assert len(chosen) >= CUTS
    for phase in (cuts.BOOT, cuts.APPEND, cuts.SEGMENT, cuts.ACKNOWLEDGE, cuts.TOKEN):
        assert sum(phases[number - 1] == phase for number in chosen) >= LEAST_OF_EACH, phase
    return chosen


@pytest.mark.parametrize("part", range(PARTS))
def test_power_cuts_at_flash_operations_of_every_kind(tmp_path, emulator, phases, chosen, part):
    cut = cuts.Cuts(tmp_path, emulator)
    for number in chosen[part::PARTS]:
        cut.check(number)
        progress.tell(f"cut at flash operation {number} of {len(phases)}: {phases[number - 1]}")


@pytest.fixture(scope="module")
def deploy_operations(tmp_path_factory, emulator):
    """How many flash operations a whole deploy makes, up to the reset into what it deployed."""
    emulated = EmulatedBoard(tmp_path_factory.mktemp("deploy"))
    put_config_only(emulated, emulator)
    with chip_on_port(emulated, tell_operations=True) as board:
        done = deploy(board, emulator)
        assert done.returncode == 0, (done.stderr, board.console)
        return board.operations_at_reset


@pytest.mark.parametrize("part", range(LEAST_OF_EACH))
def test_deploy_whose_power_is_cut_is_repaired_by_the_next(
    tmp_path, emulator, deploy_operations, part
):
    operation = 3 + part * (deploy_operations - 6) // (LEAST_OF_EACH - 1)
    emulated = EmulatedBoard(tmp_path)
    config = put_config_only(emulated, emulator)
    before = len(readings(emulator, DEVICE))
    with chip_on_port(emulated, cut_at=operation) as board:
        done = deploy(board, emulator)
        assert done.returncode == 7, (done.stderr, board.notes)
        assert any("power cut" in note for note in board.notes)
    with chip_on_port(emulated) as board:
        done = deploy(board, emulator)
        assert done.returncode == 0, (done.stderr, board.console)
    assert emulated.files()["config.json"] == config
    assert len(readings(emulator, DEVICE)) > before
    progress.tell(f"cut at flash operation {operation} of {deploy_operations}: deploy")


def test_board_with_0_1_0_is_upgraded_in_the_field(tmp_path, emulator):
    """Waiting readings, a token and an edited main.py: all delivered, no old module left."""
    emulated = EmulatedBoard(tmp_path)
    with zipfile.ZipFile(OLD_FIRMWARE) as old:
        files = {name: old.read(name) for name in old.namelist()}
    edited = files["main.py"] + b"\n# edited by the person\n"
    sensors = [{"type": "onchip"}, {"type": "system"}]
    emulated.put(emulator.platform, emulator.ca, interval_s=1, sensors=sensors)
    files["main.py"] = edited
    flash.refresh(emulated.flash, {**files, **emulated.files("certs")})
    before = len(readings(emulator, DEVICE))

    def cut_off(line):
        if "accepted seq=1 " in line:
            emulator.fault(endpoint="topic", kind="status", status=503, times=None)

    emulator.clear_faults()
    outcome = emulated.run(
        reports=99,
        timeout_s=120,
        until=lambda line: "stored seq=40 " in line,
        on_line=cut_off,
        tls_on_host=True,
    )
    assert outcome.counts.pending >= 30, emulated.log
    assert "token" in emulated.files()
    emulator.clear_faults()
    authentications = emulator.devices()[DEVICE]["authentications"]
    with chip_on_port(emulated, tls_on_host=True) as board:
        done = deploy(board, emulator)
        assert done.returncode == 0, (done.stderr, board.console[-2000:])
    found = emulated.files()
    text = (emulated.folder / "config.json").read_bytes()
    assert found["config.json"] == text
    assert found["main.py"] == edited
    new = flash.firmware_files(emulated.config, Path(emulator.ca))
    assert {p for p in found if p.startswith("lib/linkpost/")} == {
        p for p in new if p.startswith("lib/linkpost/")
    }
    # What waited before the upgrade; a boot stores readings of its own behind it.
    emulated.run(reports=40, tls_on_host=True)
    seqs = {reading["seq"] for reading in readings(emulator, DEVICE)[before:]}
    assert set(range(1, 41)) <= seqs, emulated.log[-3000:]
    assert emulator.devices()[DEVICE]["authentications"] == authentications


def put_config_only(emulated, emulator):
    """Put a config on a board that has nothing else; return it."""
    config = linkpost_command.write_config(
        emulated.folder,
        emulator.platform,
        interval_s=1,
        wifi=WIFI,
        ntp=["localhost"],
        sensors=[{"type": "onchip"}, {"type": "system"}],
    )
    flash.refresh(emulated.flash, {"config.json": config.read_bytes()})
    return config.read_bytes()


def deploy(board, emulator):
    """Run the real `linkpost deploy` on that port."""
    return linkpost_command.run(
        "deploy", "--port", board.port, "--ca", emulator.ca, "--boot-wait", 90, timeout_s=900
    )
