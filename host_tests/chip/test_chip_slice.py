"""Two minutes on the chip's own build: what every `make test` sees of it."""

from pathlib import Path

import pytest
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess

from host_tests.chip import portable_files, progress
from host_tests.chip.emulated_board import EmulatedBoard, readings
from tools.chip import cache
from tools.firmware.board_files import files_for, load_config
from tools.firmware.config_check import CHECKED, check_config
from tools.virtual_board import supervisor

pytestmark = pytest.mark.timeout(600)

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess() as process:
        yield process


@pytest.fixture(scope="module")
def emulated(tmp_path_factory, emulator):
    """One board, whose flash goes from test to test, as a board's does."""
    emulated = EmulatedBoard(tmp_path_factory.mktemp("chip"))
    emulated.put(emulator.platform, emulator.ca, interval_s=1)
    return emulated


def test_chip_boots_authenticates_and_reports_over_its_own_tls(emulated, emulator):
    outcome = emulated.run(reports=5)
    assert outcome.reason == supervisor.DONE, emulated.log
    assert outcome.counts.accepted >= 5
    assert " I app started " in emulated.log
    found = readings(emulator, DEVICE)
    assert [reading["seq"] for reading in found] == list(range(1, len(found) + 1))
    assert emulator.devices()[DEVICE]["authentications"] == 1
    # Handshakes are mbedTLS' on the chip: a report takes hundreds of ms of its own time.
    assert emulated.chip_ms > 5 * 300


def test_chip_whose_token_died_authenticates_again_and_loses_nothing(emulated, emulator):
    before = len(readings(emulator, DEVICE))
    assert emulator.expire_tokens(DEVICE) >= 1
    outcome = emulated.run(reports=2)
    assert outcome.reason == supervisor.DONE, emulated.log
    assert emulator.devices()[DEVICE]["authentications"] == 2
    found = readings(emulator, DEVICE)
    assert len(found) >= before + 2
    assert {reading["seq"] for reading in found} == set(range(1, len(found) + 1))


def test_chip_whose_power_is_cut_in_a_flash_operation_goes_on(emulated, emulator):
    outcome = emulated.run(reports=9, cut_at=4, tls_on_host=True)
    assert outcome.reason == supervisor.POWER_CUT, emulated.log
    outcome = emulated.run(reports=3, tls_on_host=True)
    assert outcome.reason == supervisor.DONE, emulated.log
    found = {reading["seq"] for reading in readings(emulator, DEVICE)}
    assert found == set(range(1, max(found) + 1))


def test_chip_has_the_very_files_that_a_deploy_writes(emulated, emulator):
    text, config = load_config(emulated.folder / "config.json")
    # v1.26.1 has no md5: whose digests go along is read from the build's version.
    ca = Path(emulator.ca)
    deployed = files_for(config, chip="rp2", native_digests=False, ca=ca, with_aio=True)
    on_flash = emulated.files()
    assert {path: on_flash.pop(path) for path in deployed} == deployed
    assert on_flash.pop("config.json") == text
    assert on_flash.pop(CHECKED) == check_config(config, cache.chip_board(), text)
    # What is left is the app's own, and ours: outside of the firmware's folders.
    assert not [path for path in on_flash if path.startswith(("lib/", "certs/"))]
    assert {path.partition("/")[0] for path in on_flash} <= {"boot.py", "chip", "outbox", "token"}


def test_portable_file_passes_on_the_chip():
    outcome = portable_files.run_file(portable_files.PORTABLE / "test_tokens.py")
    progress.add_chip_ms(outcome.chip_ms)
    wrong = {name: text for name, text in outcome.tests.items() if text != portable_files.PASSED}
    assert not wrong
    assert outcome.tests


def test_hmacmd5_signs_on_a_build_without_md5(tmp_path, emulator):
    emulated = EmulatedBoard(tmp_path)
    emulated.put(emulator.platform, emulator.ca, interval_s=1, sign_method="hmacmd5")
    with emulated.repl(tls_on_host=True) as repl:
        output, error = repl.run(b"import hashlib; print(hasattr(hashlib, 'md5'))")
        assert (output.strip(), error) == (b"False", b"")
    outcome = emulated.run(reports=1, tls_on_host=True)
    assert outcome.reason == supervisor.DONE, emulated.log
    assert any("digests" in path for path in emulated.files("lib"))
