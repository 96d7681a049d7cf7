"""`linkpost send` against the emulator: the check of endpoint and credentials before flashing."""

import os
import signal
import socket
import time

import pytest
from emulator_process import DEVICE_SECRET, EmulatorProcess
from linkpost_command import DEVICE, both_runtimes, run, start, write_config
from trustme import CA


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess() as process:
        yield process


@pytest.fixture
def send(emulator, tmp_path):
    def _send(*arguments, ca=emulator.ca, endpoint=emulator.platform, **changes):
        config = write_config(tmp_path, endpoint, **changes)
        trust = ("--ca", ca) if ca else ()
        return run("send", "--config", config, *trust, *arguments)

    return _send


def refused(result, code, words):
    """Assert one line that says what to do, the exit code, and no secret."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert words in result.stderr
    assert DEVICE_SECRET not in result.stderr


@both_runtimes
def test_send_data_prints_the_message_id_that_the_platform_gave(emulator, send, runtime):
    text = '{"temperature": 21.5, "where": "Küche"}'
    result = send("--data", text, "--runtime", runtime)
    assert (result.returncode, result.stderr) == (0, "")
    message = emulator.messages(DEVICE)[-1]
    assert message["text"] == text
    assert message["topic"] == f"/{DEVICE}/user/update"
    assert result.stdout.strip() == str(message["id"])


@both_runtimes
def test_send_file_of_the_largest_size_arrives_whole(emulator, send, tmp_path, runtime):
    path = tmp_path / "payload"
    path.write_bytes(os.urandom(131_072))
    topic = f"/{DEVICE}/user/large"
    result = send("--file", path, "--topic", topic, "--runtime", runtime)
    assert result.returncode == 0, result.stderr
    message = emulator.messages(DEVICE, topic)[-1]
    assert message["payload"] == path.read_bytes()


@both_runtimes
def test_send_with_a_wrong_secret_is_refused_with_what_to_check(send, runtime):
    result = send("--data", "x", "--runtime", runtime, device_secret="f" * 32)
    refused(result, 3, "device_secret")


@both_runtimes
def test_send_to_a_topic_of_another_device_is_refused_by_the_service(send, runtime):
    result = send("--data", "x", "--topic", "/a1Other/other/user/update", "--runtime", runtime)
    refused(result, 5, "30001")


def test_send_takes_a_config_as_windows_saves_it(emulator, tmp_path):
    config = write_config(tmp_path, emulator.platform)
    for encoding in ("utf-8-sig", "utf-16"):
        path = tmp_path / f"{encoding}.json"
        path.write_bytes(config.read_text().encode(encoding))
        result = run("send", "--config", path, "--ca", emulator.ca, "--data", "x")
        assert (result.returncode, result.stderr) == (0, "")


def test_send_with_a_wrong_topic_says_what_the_boards_log_says(emulator, send, tmp_path):
    topic = f"/{DEVICE}1/user/update"
    result = send("--data", "x", "--topic", "/{product_key}/{device_name}1/user/update")
    refused(result, 5, f"sent to {topic}")
    config = write_config(tmp_path, emulator.platform, topic=topic)
    flash = ("--flash", tmp_path / "board.img", "--runtime", "cpython")
    with start("board", "run", "--config", config, "--ca", emulator.ca, *flash) as board:
        line = next(line for line in board.stderr if "topic refused, readings kept" in line)
    check = line.partition('check="')[2].partition('"')[0]
    assert check and f"Check: {check}" in result.stderr


@both_runtimes
def test_send_without_the_ca_is_not_trusted_and_says_how_it_can_be(send, runtime):
    refused(send("--data", "x", "--runtime", runtime, ca=None), 4, "--ca")


@both_runtimes
def test_send_with_another_ca_is_not_trusted(send, tmp_path, runtime):
    path = tmp_path / "other.pem"
    path.write_bytes(CA().cert_pem.bytes())
    refused(send("--data", "x", "--runtime", runtime, ca=path), 4, "not correctly signed")


@both_runtimes
def test_send_where_nothing_listens_is_a_network_error(send, runtime):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"localhost:{unused.getsockname()[1]}"
        result = send("--data", "x", "--runtime", runtime, endpoint=endpoint)
    refused(result, 4, "localhost")


@both_runtimes
@pytest.mark.parametrize("size", [0, 131_073])
def test_send_file_of_a_wrong_size_is_refused_before_a_connection(
    emulator, send, tmp_path, runtime, size
):
    path = tmp_path / "payload"
    path.write_bytes(bytes(size))
    before = emulator.totals()
    refused(send("--file", path, "--runtime", runtime), 2, f"{size} bytes")
    assert emulator.totals() == before


@both_runtimes
def test_send_leaves_nothing_on_this_machine(send, tmp_path, monkeypatch, runtime):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert send("--data", "x", "--runtime", runtime).returncode == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "changes", "words"),
    [
        (("--data", "x"), {"intervall_s": 5}, "intervall_s"),
        (("--data", "x"), {"device_secret": [DEVICE_SECRET]}, "device_secret"),
        (("--data", "x", "--topic", "/a?b"), {}, "topic"),
        (("--data", "x", "--topic", ""), {}, "topic: starts with one slash"),
        (("--data", "x", "--topic", "/p/${deviceName}/u"), {}, "write {product_key} and"),
        (("--data", "x", "--topic", f"/topic/{DEVICE}/user/update"), {}, "begins with /topic"),
        (("--file", "no such file"), {}, "cannot read"),
        (("--data", ""), {}, "0 bytes"),
    ],
)
def test_send_that_is_used_wrongly_is_a_usage_error(send, arguments, changes, words):
    refused(send(*arguments, **changes), 2, words)


@pytest.mark.parametrize("arguments", [(), ("--data", "x", "--file", "y")])
def test_send_without_one_message_is_a_usage_error(send, arguments):
    result = send(*arguments)
    assert result.returncode == 2
    assert "--data or with --file" in result.stderr


def test_send_without_a_config_is_a_usage_error(tmp_path):
    refused(run("send", "--config", tmp_path / "none.json", "--data", "x"), 2, "cannot read")


@both_runtimes
def test_send_on_ctrl_c_ends_at_once_with_130_and_leaves_nothing(
    emulator, tmp_path, monkeypatch, runtime
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    config = write_config(tmp_path, emulator.platform)
    before = emulator.totals()["handshakes"]
    emulator.fault(endpoint="auth", kind="stall", times=1)
    arguments = ("--config", config, "--ca", emulator.ca, "--data", "x", "--runtime", runtime)
    with start("send", *arguments) as process:
        deadline = time.monotonic() + 20
        while emulator.totals()["handshakes"] == before:
            assert time.monotonic() < deadline, "the command never connected"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    emulator.clear_faults()
    assert (process.returncode, output, errors.strip()) == (130, "", "")
    assert list(temporary.iterdir()) == []
