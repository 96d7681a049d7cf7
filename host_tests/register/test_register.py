"""`linkpost register` against the emulator: a secret for each name, and none lost unsaid.

The platform gives a secret once, so what is tried here is each moment at which one could vanish:
a full disk, a reply cut short, a process killed between reply and file.
"""

import csv
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from emulator_client import authenticate
from emulator_process import EmulatorProcess
from linkpost_command import ROOT, run, start
from registration_client import PRODUCT, PRODUCT_SECRET, form, register, triple_of
from terminal import linkpost_in_terminal
from tls_server import Authority, Peer, reply

from tools.client.devices_csv import read_devices
from tools.terminal.failures import CommandError

NUMBERS = iter(range(100_000))
RESET = "reset it in the console, then use --again"


@pytest.fixture(scope="module")
def emulator():
    options = ("--product", f"{PRODUCT},{PRODUCT_SECRET}")
    with EmulatorProcess((), options) as process:
        yield process


@pytest.fixture
def names(emulator):
    """Three names that are in the console."""
    made = [f"reg-{next(NUMBERS):05}" for _ in range(3)]
    emulator.add_names(PRODUCT, made)
    yield made
    emulator.clear_faults()


@pytest.fixture
def bench(emulator, tmp_path):
    return Bench(emulator, tmp_path)


class Bench:
    """A folder with a secret's file, and the command in it."""

    def __init__(self, emulator, folder):
        self.emulator = emulator
        self.out = folder / "devices.csv"
        self.csv = folder / "names.csv"
        self.secret_file = folder / "product.secret"
        self.secret_file.write_text(PRODUCT_SECRET + "\n")

    def arguments(self, names, *more, host=None, ca=None, secret_file=None):
        if names is not None:
            self.csv.write_text("DeviceName\n" + "".join(f"{name}\n" for name in names))
        return (
            "register", "--product-key", PRODUCT, "--csv", self.csv, "--out", self.out,
            "--product-secret-file", secret_file or self.secret_file,
            "--host", host or self.emulator.platform, "--ca", ca or self.emulator.ca, *more,
        )  # fmt: skip

    def run(self, names, *more, **changes):
        done = run(*self.arguments(names, *more, **changes))
        for secret in (PRODUCT_SECRET, *self.secrets()):
            assert secret not in done.stdout + done.stderr
        return done

    def secrets(self):
        return [
            row["DeviceSecret"].strip() for row in self.rows() if "(" not in row["DeviceSecret"]
        ]

    def rows(self):
        if not self.out.exists():
            return []
        with self.out.open(newline="") as file:
            return list(csv.DictReader(file))


def refused(done, code, words):
    """Assert an exit code and one line of error that says those words."""
    assert done.returncode == code, (done.stdout, done.stderr)
    assert words in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_every_name_gets_a_secret_with_which_it_authenticates(emulator, bench, names):
    done = bench.run(names)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"3 of 3 names have their secret in {bench.out}\n"
    triples = read_devices(bench.out)
    assert [one.device_name for one in triples] == names
    for one in triples:
        assert authenticate(emulator, (one.product_key, one.device_name, one.device_secret))
    assert stat.S_IMODE(bench.out.stat().st_mode) == 0o600
    # A second time there is nothing to ask: the devices are activated, and would be refused.
    before = bench.out.read_bytes()
    assert bench.run(names).returncode == 0
    assert bench.out.read_bytes() == before


def test_refused_names_are_listed_with_their_reason_and_the_others_go_on(emulator, bench, names):
    one, two, three = names
    emulator.set_enabled(f"{PRODUCT}/{two}", False)
    triple = triple_of(register(emulator, form(three)))
    authenticate(emulator, triple)
    done = bench.run(["unknown-1", one, two, three])
    assert done.returncode == 5
    assert done.stdout.splitlines() == [
        "unknown-1: refused: device not found (6100)",
        f"{two}: refused: device is disabled (6204)",
        f"{three}: refused: device is activated already (6289)",
        f"1 of 4 names have their secret in {bench.out}",
    ]
    assert [row["DeviceName"] for row in bench.rows()] == [one]
    # What was put right is asked for by the same command.
    emulator.set_enabled(f"{PRODUCT}/{two}", True)
    emulator.api("POST", f"/api/devices/{PRODUCT}/{three}/reset")
    done = bench.run([one, two, three])
    assert done.returncode == 0
    assert [row["DeviceName"] for row in bench.rows()] == names


def test_single_names_and_the_secret_from_the_environment(emulator, bench, names, monkeypatch):
    monkeypatch.setenv("LINKPOST_PRODUCT_SECRET", PRODUCT_SECRET)
    arguments = ("--product-key", PRODUCT, "--out", bench.out, "--host", emulator.platform)
    given = [part for name in names for part in ("--name", name)]
    done = run("register", *arguments, "--ca", emulator.ca, *given)
    assert done.returncode == 0, done.stderr
    assert [row["DeviceName"] for row in bench.rows()] == names


def test_secret_is_asked_for_on_a_terminal_and_not_echoed(emulator, bench, names):
    arguments = [part for part in bench.arguments(names) if part != "--product-secret-file"]
    arguments.remove(bench.secret_file)
    with linkpost_in_terminal(*arguments) as terminal:
        terminal.answer("The product's secret", PRODUCT_SECRET)
        assert terminal.end() == 0, terminal.text
    assert PRODUCT_SECRET not in terminal.text
    assert "3 of 3 names" in terminal.text


# -- throttled, and no network ------------------------------------------------------


def test_throttling_backs_off_and_every_name_gets_its_secret(emulator, bench, names):
    emulator.fault(endpoint="register", kind="code", code=429, times=2)
    done = bench.run(names)
    assert done.returncode == 0
    assert done.stderr.count(f"{names[0]}: too many requests (429); again in ") == 2


def test_trouble_of_the_moment_is_asked_again(emulator, bench, names):
    emulator.fault(endpoint="register", kind="code", code=500, times=1)
    assert bench.run(names).returncode == 0


def test_where_nothing_listens_nothing_is_left_behind(bench, names):
    from tools.emulator.lasting_port import lasting_port

    done = bench.run(names, host=f"localhost:{lasting_port()}")
    assert done.returncode == 4
    assert "nothing listens" in done.stderr.splitlines()[-1]
    assert not bench.out.exists()


def test_host_that_registers_nothing_is_named(bench, names, tmp_path):
    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.ca.cert_pem.bytes())

    def say_not_found(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n")

    with Peer(authority.context(), say_not_found) as peer:
        done = bench.run(names, host=f"localhost:{peer.port}", ca=ca)
    refused(done, 5, "answers HTTP 404")
    assert not bench.out.exists()


# -- what is wrong is said in one line, and nothing is half done --------------------

BAD_NAMES = {
    "a duplicate": ("DeviceName\nbench-1\nbench-2\nbench-1\n", "on line 2 already"),
    "bad characters": ("DeviceName\nbench 1\n", "is not 4 to 32 of"),
    "a name too short": ("DeviceName\nabc\n", "is not 4 to 32 of"),
    "none at all": ("DeviceName\n", "no devices below"),
    "nothing": ("", "lacks DeviceName"),
    "no header": ("bench-1\nbench-2\n", "lacks DeviceName"),
}


@pytest.mark.parametrize("case", BAD_NAMES)
def test_bad_list_of_names_is_refused_before_anything_is_asked(emulator, bench, case):
    text, words = BAD_NAMES[case]
    before = emulator.totals()["requests"]
    bench.csv.write_text(text)
    done = bench.run(None)
    assert done.returncode == 2
    assert words in done.stderr
    assert emulator.totals()["requests"] == before
    assert not bench.out.exists()


def test_byte_order_mark_is_no_part_of_the_first_name(bench, names):
    bench.csv.write_bytes(b"\xef\xbb\xbfDeviceName\r\n" + "\r\n".join(names).encode())
    assert bench.run(None).returncode == 0
    assert [row["DeviceName"] for row in bench.rows()] == names


def test_wrong_product_secret_ends_with_3_and_leaves_no_list(bench, names, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("not-this-one")
    done = bench.run(names, secret_file=wrong)
    refused(done, 3, "Check the product's secret")
    assert "not-this-one" not in done.stdout + done.stderr
    assert not bench.out.exists()


def test_registration_that_is_switched_off_is_said(emulator, bench, names):
    path = f"/api/products/{PRODUCT}"
    emulator.api("PUT", path, {"registration": False})
    try:
        refused(bench.run(names), 5, "switched off")
    finally:
        emulator.api("PUT", path, {"registration": True})
    assert not bench.out.exists()
    assert bench.run(names).returncode == 0


def test_product_that_the_platform_does_not_know(emulator, bench, names):
    arguments = [str(one).replace(PRODUCT, "a1unknown") for one in bench.arguments(names)]
    refused(run(*arguments), 5, "Check --product-key")
    assert not bench.out.exists()


FOREIGN = {
    "a text": "not mine\n",
    "the console's own list": "DeviceName,DeviceSecret,ProductKey\nsensor01,short,a1pk\n",
    "another order": "ProductKey,DeviceName,DeviceSecret\n",
    "a name twice": "DeviceName,DeviceSecret,ProductKey\n"
    + f"sensor01,{'0' * 32},{PRODUCT}\n" * 2,
}


@pytest.mark.parametrize("case", FOREIGN)
def test_file_that_is_there_and_not_ours_stays_as_it_is(bench, names, case):
    bench.out.write_text(FOREIGN[case])
    refused(bench.run(names), 2, "is not a list that linkpost register has written")
    assert bench.out.read_text() == FOREIGN[case]


def test_list_of_another_product_stays_as_it_is(bench, names):
    text = f"DeviceName,DeviceSecret,ProductKey\nsensor01,{'0' * 32},a1other\n"
    bench.out.write_text(text)
    refused(bench.run(names), 2, "the list of the product a1other")
    assert bench.out.read_text() == text


def test_second_bench_at_the_same_list_is_kept_off(emulator, bench, names):
    emulator.fault(endpoint="register", kind="delay", ms=3000, times=1)
    with start(*bench.arguments(names)) as first:
        wait_until(lambda: bench.out.exists() and len(bench.rows()) == 1)
        refused(bench.run(names), 2, "is in use by another linkpost")
        output, errors = first.communicate(timeout=60)
    assert first.returncode == 0, errors
    assert len(read_devices(bench.out)) == 3


@pytest.mark.parametrize(
    "given", [(), ("--name", "no good"), ("--name", "twin", "--name", "twin")]
)
def test_names_that_are_missing_or_wrong_are_a_usage_error(bench, given):
    arguments = ("--product-key", PRODUCT, "--out", bench.out)
    secret = ("--product-secret-file", bench.secret_file)
    done = run("register", *arguments, *secret, *given)
    assert done.returncode == 2
    assert not bench.out.exists()


def test_secret_that_is_nowhere_is_asked_for_in_words(bench, monkeypatch):
    monkeypatch.delenv("LINKPOST_PRODUCT_SECRET", raising=False)
    process = subprocess.run(
        [sys.executable, "-m", "tools", "register", "--product-key", PRODUCT, "--name", "sensor01",
         "--out", bench.out],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    refused(process, 2, "--product-secret-file")


# -- the clock ----------------------------------------------------------------------


def test_certificate_that_this_computers_clock_calls_expired_names_the_clock(
    bench, names, tmp_path
):
    import datetime

    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.ca.cert_pem.bytes())
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    for window in ((now - 9 * day, now - day), (now + day, now + 9 * day)):
        context = authority.context(not_before=window[0], not_after=window[1])
        with Peer(context, lambda connection: connection.read_request()) as peer:
            done = bench.run(names, host=f"localhost:{peer.port}", ca=ca)
        refused(done, 4, f"This computer's clock shows {now:%Y-%m-}")
        assert "the board's" not in done.stderr
        assert not bench.out.exists()


def test_clock_that_cannot_be_right_is_refused_before_a_connection(monkeypatch):
    from tools.register import registration

    registration.check_clock()
    monkeypatch.setattr(registration.time, "time", lambda: 1_600_000_000.0)  # 2020
    with pytest.raises(CommandError, match="this computer's clock says"):
        registration.check_clock()


# -- replies that bring no secret ---------------------------------------------------

DATA = f'"productKey":"{PRODUCT}","deviceName":"NAME"'
NO_SECRET = {
    "no data": b'{"code":200}',
    "no secret in it": b'{"code":200,"data":{}}',
    "data that is none": b'{"code":200,"data":"deviceSecret"}',
    "an empty secret": b'{"code":200,"data":{"deviceSecret":""}}',
    "a secret too long": b'{"code":200,"data":{"deviceSecret":"%b"}}' % (b"x" * 33),
    "a secret with a line end": b'{"code":200,"data":{"deviceSecret":"abc\\ndef"}}',
    "a number": b'{"code":200,"data":{"deviceSecret":12345678}}',
    "another device's": b'{"code":200,"data":{"deviceName":"other","deviceSecret":"xyz1"}}',
    "no code": b'{"data":{"deviceSecret":"0123456789abcdef"}}',
    "no JSON": b"<html>",
    "a list": b"[]",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority()
    made.path = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.path.write_bytes(made.ca.cert_pem.bytes())
    return made


@pytest.mark.parametrize("case", NO_SECRET)
def test_reply_without_a_secret_names_the_device_and_it_is_not_asked_again(
    bench, names, authority, case
):
    def answer(connection):
        connection.read_request()
        connection.send(reply(NO_SECRET[case]))

    with Peer(authority.context(), answer) as peer:
        lost_for_ever(bench, names[0], f"localhost:{peer.port}", authority.path)


def test_reply_cut_short_names_the_device_and_it_is_not_asked_again(bench, names, authority):
    whole = reply(b'{"code":200,"data":{"deviceSecret":"0123456789abcdef0123456789abcdef"}}')

    def answer(connection):
        connection.read_request()
        connection.send(whole[: len(whole) - 20])
        connection.close_notify()

    with Peer(authority.context(), answer) as peer:
        lost_for_ever(bench, names[0], f"localhost:{peer.port}", authority.path)
        assert b"0123456789abcdef" not in bench.out.read_bytes()


def lost_for_ever(bench, name, host, ca):
    done = bench.run([name], host=host, ca=ca)
    assert done.returncode == 5
    line, summary = done.stdout.splitlines()
    assert line.startswith(f"{name}: asked, not received (")
    assert line.endswith(f"): {RESET}")
    assert summary.startswith("0 of 1 names")
    # The next run says it again, and asks nobody.
    before = bench.emulator.totals()["requests"]
    done = bench.run([name])
    assert done.returncode == 5
    assert done.stdout.startswith(f"{name}: asked, not received (in an earlier run)")
    assert bench.emulator.totals()["requests"] == before
    # Nor does any other command take the row for a device.
    with pytest.raises(CommandError, match="reset it in the console"):
        read_devices(bench.out)
    # Once the person has reset it, the same row takes the secret.
    assert bench.run([name], "--again").returncode == 0
    assert [one.device_name for one in read_devices(bench.out)] == [name]


def test_three_lost_in_a_row_leave_the_rest_alone(emulator, bench):
    names = [f"reg-{next(NUMBERS):05}" for _ in range(6)]
    emulator.add_names(PRODUCT, names)
    emulator.fault(endpoint="register", kind="close_middle")
    done = bench.run(names)
    emulator.clear_faults()
    assert done.returncode == 4
    assert "the rest was not asked for" in done.stderr
    assert len(bench.rows()) == 3
    done = bench.run(names, "--again")
    assert done.returncode == 0
    assert {one.device_name for one in read_devices(bench.out)} == set(names)


def test_refusals_alike_of_an_unknown_code_leave_the_rest_alone(emulator, bench):
    names = [f"reg-{next(NUMBERS):05}" for _ in range(8)]
    emulator.add_names(PRODUCT, names)
    emulator.fault(endpoint="register", kind="code", code=6999, times=4)
    done = bench.run(names)
    assert done.returncode == 5
    assert done.stdout.count("(6999)") == 4
    assert len(read_devices(bench.out)) == 4
    emulator.fault(endpoint="register", kind="code", code=6999)
    more = [f"reg-{next(NUMBERS):05}" for _ in range(8)]
    done = bench.run(more)
    emulator.clear_faults()
    assert done.returncode == 5
    assert "the 4 before it are refused alike: error (6999)" in done.stderr
    assert len(bench.rows()) == 4


# -- killed, interrupted, full ------------------------------------------------------


def wait_until(condition, wait_s=30.0):
    end = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_killed_between_reply_and_file_the_next_run_names_the_device(emulator, bench, names):
    # The platform has given the secret out; its reply comes later than we live.
    emulator.fault(endpoint="register", kind="delay", ms=20_000, device=f"{PRODUCT}/{names[1]}")
    with start(*bench.arguments(names)) as process:
        wait_until(lambda: f"{names[1]} /auth/register/device 200" in emulator.log)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    emulator.clear_faults()
    done = bench.run(names)
    assert done.returncode == 5
    assert done.stdout.splitlines() == [
        f"{names[1]}: asked, not received (in an earlier run): {RESET}",
        f"2 of 3 names have their secret in {bench.out}",
    ]
    assert bench.run(names, "--again").returncode == 0
    assert {one.device_name for one in read_devices(bench.out)} == set(names)


def test_killed_in_the_middle_of_a_reservation_nothing_was_asked(emulator, bench, names):
    assert bench.run(names[:1]).returncode == 0
    whole = bench.out.read_bytes()
    for cut in (1, 10, 30, 45):
        row = f"{names[1]},{'(asked and not received)':<32},{PRODUCT}\n".encode()
        bench.out.write_bytes(whole + row[:cut])
        done = bench.run(names)
        assert done.returncode == 0, done.stdout
        assert [row["DeviceName"] for row in bench.rows()] == names
        bench.out.write_bytes(whole)


def test_ctrl_c_while_one_is_asked_for_names_it_and_the_same_command_goes_on(
    emulator, bench, names
):
    emulator.fault(endpoint="register", kind="stall", device=f"{PRODUCT}/{names[1]}", times=1)
    heard = len(emulator.log)
    with start(*bench.arguments(names)) as process:
        wait_until(lambda: bench.out.exists() and len(bench.rows()) == 2)
        wait_until(lambda: "stall" in emulator.log[heard:])
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"stopped while {names[1]} was asked for" in errors
    assert "the same command continues" in errors
    done = bench.run(names)
    assert done.returncode == 5
    assert len(bench.secrets()) == 2


def test_ctrl_c_in_a_pause_loses_nothing(emulator, bench, names):
    emulator.fault(endpoint="register", kind="code", code=429)
    with start(*bench.arguments(names)) as process:
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    emulator.clear_faults()
    assert process.returncode == 130
    assert "may be lost" not in errors
    assert not bench.out.exists()


def test_full_disk_stops_before_a_secret_is_given_out(emulator, bench, names):
    assert bench.run(names[:1]).returncode == 0
    before = bench.out.read_bytes()
    row = len(before) - len("DeviceName,DeviceSecret,ProductKey\n")

    def limit_file_size():  # room for one row and a half
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + row * 3 // 2,) * 2)

    process = subprocess.run(
        [sys.executable, "-m", "tools", *map(str, bench.arguments(names))],
        cwd=ROOT, capture_output=True, text=True, timeout=60, preexec_fn=limit_file_size,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    refused(process, 2, f"no room for {names[2]}")
    assert "it was not asked for" in process.stderr
    assert f"{names[2]} /auth/register/device" not in emulator.log
    assert [one.device_name for one in read_devices(bench.out)] == names[:2]
    assert bench.run(names).returncode == 0


def test_write_that_fails_after_the_reply_names_the_device(tmp_path):
    from tools.register.secret_list import SecretList

    with SecretList(tmp_path / "list.csv", PRODUCT) as listed:
        listed.reserve("sensor01")
        good, listed._file = listed._file, Failing()
        with pytest.raises(CommandError, match=r"sensor01: asked, not received: .* --again"):
            listed.put("sensor01", "s" * 32)
        listed._file = good
    with SecretList(tmp_path / "list.csv", PRODUCT) as listed:
        assert (listed.received, listed.lost) == (set(), {"sensor01"})


class Failing:
    def seek(self, *place):
        return 0

    def write(self, data):
        raise OSError(5, "Input/output error")


def test_row_is_on_the_disk_before_the_platform_is_asked(tmp_path, monkeypatch):
    from tools.register import run as register_run
    from tools.register import secret_list

    events = []
    fsync = os.fsync
    monkeypatch.setattr(
        secret_list.os, "fsync", lambda handle: (events.append("fsync"), fsync(handle))
    )
    path = tmp_path / "list.csv"

    class Asked:
        host = "x"
        has_sent = True

        def ask(self, name):
            row = path.read_text().splitlines()[-1]
            events.append(f"asked {row[:8]} {len(row)}")
            return "k" * 32

    with secret_list.SecretList(path, PRODUCT) as listed:
        work = register_run.Registering(
            Asked(), listed, None, again=False, pause=lambda s: None, note=print
        )
        events.clear()
        assert work.secret("sensor01") == "k" * 32
        assert work.secret("sensor01") == "k" * 32
    length = len(f"sensor01,{'k' * 32},{PRODUCT}")
    assert events == ["fsync", f"asked sensor01 {length}", "fsync"]


def test_progress_shows_how_far_it_is_and_the_time_left(emulator, bench):
    names = [f"reg-{next(NUMBERS):05}" for _ in range(40)]
    emulator.add_names(PRODUCT, names)
    with linkpost_in_terminal(*bench.arguments(names)) as terminal:
        terminal.wait_for("/40")
        terminal.wait_for("left")
        assert terminal.end() == 0, terminal.text
    assert Path(bench.out).exists()
