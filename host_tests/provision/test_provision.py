"""`linkpost provision` onto virtual boards behind a port, asked in a terminal and from files."""

import json
import shlex

import pytest
from emulator_process import DEVICE_NAME, DEVICE_SECRET, PRODUCT_KEY, EmulatorProcess
from linkpost_command import run, write_config
from serial_board import needs_serial_board, serial_board
from terminal import linkpost_in_terminal

SECRET = "canary0123456789abcdef0123CANARY"
CONFIG = {
    "endpoint": "iot.example.com",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": SECRET,
    "interval_s": 30,
    "sensors": [{"type": "onchip"}],
}

pytestmark = needs_serial_board


def write(tmp_path, name="given.json", **changes):
    path = tmp_path / name
    path.write_text(json.dumps({**CONFIG, **changes}))
    return path


def on_board(board):
    return json.loads(board.files()["config.json"])


@pytest.mark.parametrize("usb", ["uart", "native"])
def test_config_from_a_file_is_on_the_board_and_shown_without_secrets(tmp_path, usb):
    with serial_board(tmp_path, usb=usb) as board:
        result = run("provision", "--port", board.port, "--from", write(tmp_path))
        assert result.returncode == 0, result.stderr
        assert on_board(board) == CONFIG
    assert "..NARY" in result.stdout
    assert SECRET not in result.stdout + result.stderr
    assert "an outage may last about" in result.stdout.lower()
    assert f"Next: linkpost deploy --port {shlex.quote(board.port)}" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr


def test_config_that_is_there_is_kept_without_consent(tmp_path):
    with serial_board(tmp_path, files={"config.json": json.dumps(CONFIG).encode()}) as board:
        other = write(tmp_path, device_name="sensor02")
        result = run("provision", "--port", board.port, "--from", other)
        assert result.returncode == 2
        assert "--yes" in result.stderr
        assert on_board(board) == CONFIG
        result = run("provision", "--port", board.port, "--from", other, "--yes")
        assert result.returncode == 0, result.stderr
        assert on_board(board)["device_name"] == "sensor02"
        same = run("provision", "--port", board.port, "--from", other)
        assert same.returncode == 0, same.stderr


def test_row_of_a_list_takes_the_place_of_the_triple(tmp_path):
    csv = tmp_path / "devices.csv"
    csv.write_text(f"DeviceName,DeviceSecret,ProductKey\nboard01,x,a1pk\nboard02,{SECRET},a1pk\n")
    arguments = ("provision", "--from", write(tmp_path), "--csv", csv)
    with serial_board(tmp_path) as board:
        unclear = run(*arguments, "--port", board.port)
        assert unclear.returncode == 2
        assert "--device" in unclear.stderr
        result = run(*arguments, "--port", board.port, "--device", "board02")
        assert result.returncode == 0, result.stderr
        assert on_board(board)["device_name"] == "board02"
        assert on_board(board)["interval_s"] == 30
    assert SECRET not in result.stdout + result.stderr


def test_questions_are_asked_checked_at_once_and_answered(tmp_path):
    with serial_board(tmp_path) as board:
        with linkpost_in_terminal("provision", "--port", board.port) as terminal:
            terminal.answer("Endpoint", "http://iot.example.com")
            terminal.wait_for("HTTPS only")
            terminal.answer("Endpoint", "iot.example.com")
            terminal.answer("ProductKey", "a1B2c3D4e5F")
            terminal.answer("DeviceName", "abc")
            terminal.wait_for("4 to 32")
            terminal.answer("DeviceName", "sensor01")
            terminal.answer("DeviceSecret", SECRET)
            terminal.answer("Seconds between readings", "30")
            terminal.answer("Sensors", "simulated")
            assert terminal.end() == 0, terminal.text
        assert SECRET not in terminal.text
        found = on_board(board)
    assert found == {**CONFIG, "sensors": [{"type": "simulated"}]}


def test_answers_that_are_there_are_offered_and_replaced_only_when_agreed(tmp_path):
    with serial_board(tmp_path, files={"config.json": json.dumps(CONFIG).encode()}) as board:
        for consent, name, code in (("n", "sensor01", 2), ("y", "sensor09", 0)):
            with linkpost_in_terminal("provision", "--port", board.port) as terminal:
                terminal.answer("Endpoint, as the console shows it for the instance [iot.", "")
                terminal.answer("ProductKey [a1B2c3D4e5F]", "")
                terminal.answer("DeviceName [sensor01]", "sensor09")
                terminal.answer("DeviceSecret [..NARY]", "")
                terminal.answer("[30]", "")
                terminal.answer("[onchip]", "")
                terminal.answer("Replace it?", consent)
                assert terminal.end() == code, terminal.text
            assert on_board(board) == {**CONFIG, "device_name": name}


def test_ctrl_c_at_a_question_leaves_all_as_it_was(tmp_path):
    with serial_board(tmp_path, files={"config.json": json.dumps(CONFIG).encode()}) as board:
        with linkpost_in_terminal("provision", "--port", board.port) as terminal:
            terminal.answer("Endpoint", "elsewhere.example.com")
            terminal.wait_for("ProductKey [a1B2c3D4e5F]: ")
            assert terminal.interrupt() == 130, terminal.text
        assert "Traceback" not in terminal.text
        assert on_board(board) == CONFIG


def test_board_that_runs_runs_on_with_the_new_config_or_after_ctrl_c_with_the_old(tmp_path):
    given = write(tmp_path, endpoint="localhost:9", sensors=[{"type": "simulated"}])
    other = write(tmp_path, "other.json", endpoint="localhost:9")
    old = write_config(tmp_path, "localhost:9", interval_s=30)
    with serial_board(tmp_path, config=old) as board:
        start = board.wait_for("app started")
        with linkpost_in_terminal("provision", "--port", board.port) as terminal:
            terminal.wait_for("instance [localhost:9]: ")
            assert terminal.interrupt() == 130, terminal.text
        start = board.wait_for("app started", start)
        before = on_board(board)
        assert before["device_secret"] == DEVICE_SECRET
        result = run("provision", "--port", board.port, "--from", given, "--yes")
        assert result.returncode == 0, result.stderr
        assert "its app stops, and is restarted" in result.stderr
        assert "Watch it with: linkpost monitor" in result.stdout
        board.wait_for("app started", start)
        assert on_board(board)["device_secret"] == SECRET
        assert "config.json.new" not in board.files()
        result = run("provision", "--port", board.port, "--from", other, "--yes")
        assert "This config needs files" in result.stdout, result.stderr


def test_nobody_to_ask_is_said_and_nothing_hangs(tmp_path):
    with serial_board(tmp_path) as board:
        result = run("provision", "--port", board.port)
        assert result.returncode == 2
        assert "--from" in result.stderr
        assert "config.json" not in board.files()


def test_config_that_is_wrong_is_not_written(tmp_path):
    with serial_board(tmp_path) as board:
        given = write(tmp_path, intervall_s=5)
        result = run("provision", "--port", board.port, "--from", given)
        assert result.returncode == 2
        assert "intervall_s" in result.stderr
        assert "config.json" not in board.files()


def test_check_authenticates_for_real_before_anything_is_written(tmp_path):
    with EmulatorProcess() as emulator, serial_board(tmp_path) as board:
        good = write(
            tmp_path,
            endpoint=emulator.platform,
            product_key=PRODUCT_KEY,
            device_name=DEVICE_NAME,
            device_secret=DEVICE_SECRET,
        )
        bad = write(tmp_path, "bad.json", endpoint=emulator.platform, device_name=DEVICE_NAME)
        check = ("--check", "--ca", emulator.ca)
        refused = run("provision", "--port", board.port, "--from", bad, *check)
        assert refused.returncode == 3
        assert "Check in this order" in refused.stderr
        assert "..NARY" in refused.stderr
        assert SECRET not in refused.stderr
        assert "config.json" not in board.files()
        accepted = run("provision", "--port", board.port, "--from", good, *check)
        assert accepted.returncode == 0, accepted.stderr
        assert "accepts this device" in accepted.stderr
        assert on_board(board)["device_secret"] == DEVICE_SECRET
        untrusted = run("provision", "--port", board.port, "--from", good, "--check", "--yes")
        assert untrusted.returncode == 4
        assert "given with --ca" in untrusted.stderr


def test_next_line_is_followed_and_the_ca_stays_until_another_endpoint(tmp_path):
    with EmulatorProcess() as emulator, serial_board(tmp_path) as board:
        triple = {
            "product_key": PRODUCT_KEY,
            "device_name": DEVICE_NAME,
            "device_secret": DEVICE_SECRET,
        }
        given = write(tmp_path, endpoint=emulator.platform, **triple)
        provision = ("provision", "--port", board.port, "--from")
        said = run(*provision, given, "--check", "--ca", emulator.ca).stdout
        assert said.endswith(
            f"Next: linkpost deploy --port {shlex.quote(board.port)} --ca "
            f"{shlex.quote(str(emulator.ca))}\n"
        )
        for _ in range(2):  # as that line says, and once more without the CA
            line = said.rpartition("Next: linkpost ")[2] or f"deploy --port {board.port}"
            assert run(*shlex.split(line), "--boot-wait", 0).returncode == 0
            (ca,) = [path for path in board.files() if path.startswith("certs/ca-")]
            said = ""
        same = write(
            tmp_path, "same.json", endpoint=f"https://{emulator.platform}/", interval_s=5, **triple
        )
        result = run(*provision, same, "--yes")
        assert ca in board.files()
        assert f"linkpost monitor --port {shlex.quote(board.port)}" in result.stdout
        # Known already: also with the CA named, nothing is missing on the board.
        other = write(tmp_path, "other.json", endpoint="localhost:9", **triple)
        result = run(*provision, other, "--yes", "--ca", emulator.ca)
        assert ca in board.files() and "Next:" not in result.stdout
        result = run(*provision, given, "--yes")
        assert f"removed {ca}: trusted for the endpoint that was here" in result.stderr
        assert ca not in board.files()
        result = run(*provision, given, "--ca", emulator.ca)
        assert f"--ca {shlex.quote(str(emulator.ca))}" in result.stdout


def test_config_can_go_to_a_file_that_only_its_owner_reads(tmp_path):
    out = tmp_path / "config.json"
    assert run("provision", "--from", write(tmp_path), "--out", out).returncode == 0
    assert json.loads(out.read_text()) == CONFIG
    assert out.stat().st_mode & 0o777 == 0o600
    again = run("provision", "--from", write(tmp_path), "--out", out)
    assert again.returncode == 2
    assert "--yes" in again.stderr


def test_no_board_is_exit_code_7(tmp_path):
    result = run(
        "provision", "--port", tmp_path / "ttyUSB7", "--wait", 0, "--from", write(tmp_path)
    )
    assert result.returncode == 7
    assert "Traceback" not in result.stderr


def test_spaces_of_a_wifi_name_and_password_are_kept(tmp_path):
    out = tmp_path / "config.json"
    with linkpost_in_terminal("provision", "--out", str(out)) as terminal:
        terminal.answer("Endpoint", " iot.example.com ")
        terminal.answer("ProductKey", " a1B2c3D4e5F")
        terminal.answer("DeviceName", "sensor01 ")
        terminal.answer("DeviceSecret", SECRET + " ")
        terminal.answer("Wi-Fi name", " lab ")
        terminal.wait_for("with a space, which is kept")
        terminal.answer("Wi-Fi password", "z" * 64)
        terminal.wait_for("64 hex digits")
        terminal.answer("Wi-Fi password", "correct horse ")
        terminal.wait_for("with a space, which is kept")
        terminal.answer("Seconds between readings", "30")
        terminal.answer("Sensors", "simulated")
        assert terminal.end() == 0, terminal.text
    config = json.loads(out.read_text())
    assert config["wifi"] == {"ssid": " lab ", "password": "correct horse "}
    assert config["device_name"] == "sensor01"
    assert config["device_secret"] == SECRET


def test_provision_in_an_old_code_page_says_what_it_can(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    given = {**CONFIG, "wifi": {"ssid": "\u6559\u5ba4", "password": "12345678"}}
    source, out = tmp_path / "given.json", tmp_path / "config.json"
    source.write_text(json.dumps(given))
    result = run("provision", "--from", source, "--out", out)
    assert (result.returncode, result.stderr) == (0, "")
    assert '"ssid": "??"' in result.stdout
    assert json.loads(out.read_text(encoding="utf-8")) == given


def test_placeholder_of_the_example_is_refused_also_into_a_file(tmp_path):
    given = write(tmp_path, device_secret="PASTE_THE_DEVICE_SECRET_HERE")
    result = run("provision", "--from", given, "--out", tmp_path / "config.json")
    assert result.returncode == 2
    assert "device_secret: is still the example's" in result.stderr
    assert not (tmp_path / "config.json").exists()


def test_own_sensor_that_is_not_on_the_board_is_said(tmp_path):
    given = write(tmp_path, sensors=[{"type": "user.soil"}, {"type": "user.light"}])
    with serial_board(tmp_path, files={"user/light.py": b"class Sensor: pass\n"}) as board:
        result = run("provision", "--port", board.port, "--from", given)
    assert result.returncode == 0, result.stderr
    assert "user/soil.py is not on the board yet: mpremote cp soil.py :user/" in result.stderr
    assert "light.py" not in result.stderr
