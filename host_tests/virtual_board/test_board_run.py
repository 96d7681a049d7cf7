"""`linkpost board run`: the real firmware on a virtual board, against the emulator."""

import json
import re
import signal
import socket

import pytest
from emulator_process import DEVICE_SECRET, PRODUCT_KEY, EmulatorProcess
from linkpost_command import both_runtimes, run, start, write_config

LOG_LINE = re.compile(r"\d+\.\d{3} [DIWE] (app|wifi|clock|send|store|sensor) \S")


class Device:
    """A device that the emulator knows and no other test uses."""

    def __init__(self, emulator, name):
        self.name = name
        self.ca = emulator.ca
        self.platform = emulator.platform
        self._emulator = emulator
        self._key = f"{PRODUCT_KEY}/{name}"

    def fault(self, **fault):
        self._emulator.fault(device=self._key, **fault)

    def view(self):
        return self._emulator.devices()[self._key]

    def readings(self):
        return [json.loads(message["text"]) for message in self._emulator.messages(self._key)]


@pytest.fixture(scope="module")
def devices():
    names = [f"board{number:02}" for number in range(20)]
    with EmulatorProcess([(PRODUCT_KEY, name, DEVICE_SECRET) for name in names]) as emulator:
        yield (Device(emulator, name) for name in names)


@pytest.fixture
def device(devices):
    return next(devices)


@pytest.fixture
def nowhere():
    """An endpoint where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"localhost:{unused.getsockname()[1]}"


def board(folder, endpoint, *arguments, **changes):
    """Return the arguments of `linkpost` that run a board in that folder."""
    config = write_config(folder, endpoint, **changes)
    return ("board", "run", "--config", config, "--flash", folder / "flash", *arguments)


def board_of(device, folder, *arguments, **changes):
    """Return the arguments that run that device's board in that folder."""
    arguments = ("--ca", device.ca, *arguments)
    return board(folder, device.platform, *arguments, device_name=device.name, **changes)


def last_line(result):
    return result.stdout.splitlines()[-1]


@both_runtimes
def test_board_on_first_boot_reports_and_on_the_second_finds_its_token(device, tmp_path, runtime):
    command = board_of(device, tmp_path, "--reports", 3, "--runtime", runtime)
    for boot in (1, 2):
        result = run(*command)
        assert result.returncode == 0, result.stderr
        accepted, rest = last_line(result).removeprefix("board: ").split(" ", 1)
        assert int(accepted) >= 3
        assert re.fullmatch(r"accepted, 0 quarantined, \d+ pending, 0 dropped", rest)
        assert DEVICE_SECRET not in result.stderr + result.stdout
        view = device.view()
        assert view["authentications"] == 1
        assert view["accepted"] >= 3 * boot
    found = device.readings()
    assert [reading["seq"] for reading in found] == list(range(1, len(found) + 1))
    assert len({reading["stream"] for reading in found}) == 1
    # Each boot's first reading is its own: why it came, what was lost.
    own = [reading for reading in found if "reset_cause" in reading]
    measured = [reading for reading in found if reading not in own]
    assert len(own) == 2
    assert measured
    assert all({"temperature", "humidity", "time"} <= reading.keys() for reading in measured)


def test_board_log_is_the_contracts_lines_on_standard_error(device, tmp_path):
    result = run(*board_of(device, tmp_path, "--reports", 1))
    lines = [line for line in result.stderr.splitlines() if not line.startswith("linkpost: ")]
    assert lines
    assert [line for line in lines if not LOG_LINE.match(line)] == []
    assert any(" I send accepted seq=1 " in line for line in lines)
    assert result.stdout.count("\n") == 1


def test_board_as_a_pico_w_runs_the_same_files(device, tmp_path):
    command = board_of(device, tmp_path, "--reports", 1, "--board", "RPI_PICO_W")
    assert run(*command).returncode == 0
    assert (tmp_path / "flash").stat().st_size == 212 * 4096
    other = run(*board_of(device, tmp_path, "--reports", 1))
    assert other.returncode == 2
    assert "--board" in other.stderr


def test_board_whose_power_was_cut_starts_again_and_goes_on(device, tmp_path):
    cuts = 0
    for operation in (1, 4, 7, 12):
        arguments = ("--reports", 4, "--cut-power-at", operation)
        result = run(*board_of(device, tmp_path, *arguments))
        if result.returncode == 7:
            cuts += 1
            assert last_line(result) == f"board: power cut at flash operation {operation}"
    assert cuts >= 3
    assert run(*board_of(device, tmp_path, "--reports", 4)).returncode == 0
    numbered = {}
    for reading in device.readings():
        # What a cut let travel twice is a duplicate; a number never means two readings.
        assert numbered.setdefault((reading["stream"], reading["seq"]), reading) == reading
    for stream in {stream for stream, _ in numbered}:
        found = sorted(seq for other, seq in numbered if other == stream)
        assert found == list(range(1, len(found) + 1)), "a reading was lost"
    assert len(numbered) >= 4


def test_board_in_deep_sleep_between_reports_keeps_token_and_numbers(device, tmp_path):
    # The app sleeps where it pays: from two seconds on.
    arguments = ("--reports", 4, "--timeout", 60)
    result = run(*board_of(device, tmp_path, *arguments, sleep="deep", interval_s=2.2))
    assert result.returncode == 0, result.stderr
    assert result.stderr.count('cause="deep sleep"') >= 1
    assert int(last_line(result).split()[1]) >= 3
    assert device.view()["authentications"] == 1
    found = [reading["seq"] for reading in device.readings()]
    assert found == list(range(1, len(found) + 1))


@both_runtimes
def test_board_with_a_watchdog_is_not_bitten_while_the_platform_is_slow(device, tmp_path, runtime):
    device.fault(endpoint="topic", kind="delay", ms=2500, times=1)
    arguments = ("--reports", 2, "--runtime", runtime)
    result = run(*board_of(device, tmp_path, *arguments, watchdog_s=1))
    assert result.returncode == 0, result.stderr
    assert "watchdog" not in result.stderr
    assert device.view()["requests"]["auth"] == 1


@both_runtimes
def test_board_with_a_wrong_secret_ends_at_the_timeout_with_3(device, tmp_path, runtime):
    arguments = ("--reports", 1, "--timeout", 3, "--runtime", runtime)
    result = run(*board_of(device, tmp_path, *arguments, device_secret="f" * 32))
    assert result.returncode == 3, result.stderr
    assert "AuthError" in result.stderr
    assert last_line(result).startswith("board: 0 accepted, 0 quarantined, ")
    assert device.view()["requests"]["auth"] == 1


@both_runtimes
def test_board_without_a_platform_ends_at_the_timeout_with_6_and_keeps_all(
    nowhere, tmp_path, runtime
):
    result = run(*board(tmp_path, nowhere, "--reports", 1, "--timeout", 3, "--runtime", runtime))
    assert result.returncode == 6, result.stderr
    kept = re.fullmatch(
        r"board: 0 accepted, 0 quarantined, (\d+) pending, 0 dropped", last_line(result)
    )
    assert int(kept[1]) >= 2


@both_runtimes
def test_board_on_ctrl_c_stops_in_order_with_130(device, tmp_path, runtime):
    with start(*board_of(device, tmp_path, "--runtime", runtime)) as process:
        for line in process.stderr:
            if " send accepted " in line:
                break
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert re.fullmatch(
        r"board: [1-9]\d* accepted, 0 quarantined, \d+ pending, 0 dropped\n", output
    )
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "changes", "words"),
    [
        ((), {"intervall_s": 5}, "intervall_s"),
        ((), {"endpoint": "http://localhost"}, "endpoint"),
        (("--runtime", "cpython", "--heap", 100_000), {}, "--heap"),
        (("--runtime", "cpython", "--cut-power-at", 3), {}, "--cut-power-at"),
        (("--board", "RPI_PICO_W"), {"sleep": "deep"}, "sleep"),
        (("--ca", "no such file"), {}, "--ca"),
    ],
)
def test_board_that_is_used_wrongly_is_a_usage_error(nowhere, tmp_path, arguments, changes, words):
    endpoint = changes.pop("endpoint", nowhere)
    result = run(*board(tmp_path, endpoint, "--timeout", 20, *arguments, **changes))
    assert result.returncode == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert DEVICE_SECRET not in result.stderr


def test_board_on_a_flash_in_use_is_refused(nowhere, tmp_path):
    command = board(tmp_path, nowhere)
    with start(*command) as first:
        for line in first.stderr:
            if " app " in line:
                break
        second = run(*command)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)
    assert second.returncode == 2
    assert "in use" in second.stderr


def test_board_without_the_ca_that_it_had_before_does_not_trust_it_any_more(device, tmp_path):
    assert run(*board_of(device, tmp_path, "--reports", 1)).returncode == 0
    arguments = ("--reports", 1, "--timeout", 2)
    result = run(*board(tmp_path, device.platform, *arguments, device_name=device.name))
    assert result.returncode == 6
    assert "TLSError" in result.stderr
