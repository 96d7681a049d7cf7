"""`linkpost fleet`: simulated devices against a real emulator, and hosts it refuses."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from emulator_process import EmulatorProcess
from linkpost_command import start

from tools import cli
from tools.fleet import run, vendor
from tools.fleet.board import Counters
from tools.fleet.run import Fleet
from tools.terminal.failures import CommandError

_QUICK = ["--boards", "5", "--interval", "0.2", "--duration", "1.5"]


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess(
        [("a1pk", f"sensor{n:02}", f"secret{n:02}") for n in range(3)]
    ) as process:
        yield process


@pytest.fixture(autouse=True)
def _no_faults(request):
    yield
    if "emulator" in request.fixturenames:
        request.getfixturevalue("emulator").clear_faults()


def fleet(*arguments, code=0):
    """Run it to its end; return its summary, and what it said beside."""
    with start("fleet", *arguments, "--json") as process:
        output, errors = process.communicate(timeout=100)
    assert process.returncode == code, errors
    return json.loads(output), errors


def test_fleet_makes_its_devices_and_everything_arrives_once(emulator):
    before = emulator.devices().keys()
    summary, errors = fleet("--console", emulator.console, *_QUICK)
    assert summary["boards"] == 5
    assert summary["accepted"] == summary["made"] == summary["received"] >= 5
    assert (summary["refused"], summary["waiting"], summary["dropped"]) == ({}, 0, 0)
    assert (summary["lost"], summary["duplicates"]) == (0, 0)
    assert summary["authentications"] == 5
    assert 0 < summary["p50_ms"] <= summary["p95_ms"] <= summary["p99_ms"] <= summary["max_ms"]
    assert f"reporting to {emulator.platform}" in errors
    # Its own devices are gone again, and what they sent.
    assert emulator.devices().keys() == before
    assert not [one for one in emulator.messages() if "/fleet-" in one["device"]]


def test_fleet_meets_trouble_as_a_board_does(emulator):
    emulator.fault(kind="close_after", endpoint="topic", times=3)  # accepted, and not told
    emulator.fault(kind="code", code=20001, endpoint="topic", times=1)
    summary, _ = fleet("--console", emulator.console, *_QUICK)
    assert emulator.faults() == []
    assert summary["accepted"] == summary["received"] == summary["made"]
    assert (summary["lost"], summary["duplicates"]) == (0, 3)
    assert summary["refused"] == {"NetworkError": 3}  # 20001 costs an authentication, no error
    assert summary["authentications"] >= 6


def test_fleet_with_template_and_device_list_reports_where_it_is_told(emulator, tmp_path):
    config = tmp_path / "config.json"
    template = {
        "endpoint": emulator.platform, "product_key": "a1pk", "device_name": "any1",
        "device_secret": "unused", "format": "alink", "sign_method": "hmacsha1",
    }  # fmt: skip
    config.write_text(json.dumps(template))
    devices = tmp_path / "devices.csv"
    rows = "".join(f"sensor{n:02},secret{n:02},a1pk\n" for n in range(3))
    devices.write_text("DeviceName,DeviceSecret,ProductKey\n" + rows)
    given = ["--config", config, "--csv", devices, "--ca", emulator.ca]
    given += ["--boards", "2", "--interval", "0.2", "--duration", "1"]
    summary, errors = fleet(*given)
    assert (summary["boards"], summary["lost"], summary["received"]) == (2, None, None)
    messages = emulator.messages("a1pk/sensor00")
    assert messages
    assert json.loads(messages[0]["text"])["method"] == "thing.event.property.post"
    assert "secret0" not in errors
    more, _ = fleet(*given, "--console", emulator.console)
    assert more["lost"] == 0
    assert more["duplicates"] >= 2  # the seq of alink starts over with each run


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process")
def test_fleet_that_is_interrupted_ends_with_its_summary(emulator):
    accepted = emulator.totals()["requests"]
    given = ["--console", emulator.console, "--boards", "4", "--interval", "0.2"]
    with start("fleet", *given, "--duration", "0") as process:
        end = time.monotonic() + 60
        while emulator.totals()["requests"] < accepted + 12:
            assert time.monotonic() < end
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    lines = dict(line.rsplit(maxsplit=1) for line in output.splitlines())
    assert lines["lost"] == "0"
    assert lines["boards"] == "4"


def test_fleet_that_nobody_answers_fails_with_a_network_code(emulator, tmp_path):
    devices = tmp_path / "devices.csv"
    devices.write_text("DeviceName,DeviceSecret,ProductKey\nsensor00,secret00,a1pk\n")
    summary, errors = fleet(
        "--endpoint", "localhost:1", "--csv", devices, "--boards", "1", "--duration", "1",
        "--interval", "0.2", code=4,
    )  # fmt: skip
    assert summary["accepted"] == 0
    assert "nothing was accepted" in errors
    # Our anchors alone do not vouch for the emulator.
    summary, errors = fleet(
        "--endpoint", emulator.platform, "--csv", devices, "--boards", "1", "--duration", "1",
        "--interval", "0.2", code=4,
    )  # fmt: skip
    assert "TLSError" in summary["refused"]


@pytest.mark.parametrize(
    "endpoint",
    [
        "iot-as-http.cn-shanghai.aliyuncs.com",
        "IOT-AS-HTTP.CN-SHANGHAI.ALIYUNCS.COM:443",
        "iot-06z00.http.iothub.aliyuncs.com.",
        "https://iot-as-http.cn-shanghai.aliyuncs.com/",
        "iot-as-http.cn-shanghai.aliyuncs\u3002com",
        "iot.example.aliyun.com",
        "aliyuncs.com",
    ],
)
def test_fleet_refuses_the_vendors_hosts(endpoint, capsys, monkeypatch):
    def resolve(*arguments, **options):
        raise AssertionError("the vendor's name was looked up")

    monkeypatch.setattr(vendor.socket, "getaddrinfo", resolve)
    with pytest.raises(SystemExit) as ended:
        cli.main(["fleet", "--endpoint", endpoint, "--csv", "devices.csv"])
    errors = capsys.readouterr().err
    assert ended.value.code == 2
    assert "the vendor's platform" in errors
    assert len(errors.splitlines()) == 1


def test_fleet_refuses_a_template_that_names_the_vendor(tmp_path, capsys):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({
        "endpoint": "iot-as-http.cn-shanghai.aliyuncs.com", "product_key": "a1pk",
        "device_name": "sensor01", "device_secret": "s",
    }))  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        cli.main(["fleet", "--config", str(config), "--csv", "devices.csv"])
    assert ended.value.code == 2
    assert "the vendor's platform" in capsys.readouterr().err


def test_host_that_is_an_alias_of_the_vendors_is_refused(monkeypatch):
    names = {"mine.example": "iot.aliyuncs.com", "other.example": "other.example"}
    monkeypatch.setattr(
        vendor.socket, "getaddrinfo",
        lambda host, *_, **__: [(2, 1, 6, names[host], ("192.0.2.1", 0))],
    )  # fmt: skip
    with pytest.raises(CommandError):
        vendor.refuse_vendor("mine.example")
    vendor.refuse_vendor("other.example")
    for name in ("notaliyuncs.com", "aliyuncs.com.example", "localhost", "192.0.2.1", ""):
        assert not vendor.is_vendors(name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--endpoint", "localhost:8443"], "--csv"),
        (["--endpoint", "localhost:8443", "--csv", "none.csv"], "none.csv"),
        (["--console", "localhost:8080"], "http://HOST:PORT"),
        (["--console", "http://127.0.0.1:1"], "linkpost emulator"),
        (["--config", "none.json"], "none.json"),
    ],
)
def test_fleet_that_is_told_too_little_says_what_is_missing(arguments, words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["fleet", *arguments])
    errors = capsys.readouterr().err
    assert ended.value.code in (2, 4)
    assert words in errors
    assert len(errors.splitlines()) == 1


class FakeBoard:
    def __init__(self, key, accepted):
        self.key = self.stream = key
        self.accepted = set(range(1, accepted + 1))


class FakeConsole:
    def __init__(self, received):
        self.received = received

    def arrived(self, device, stream):
        return {"received": self.received[device], "duplicates": 1, "missing": 0, "last": 9}


def test_readings_that_did_not_arrive_are_lost():
    fleet = Fleet([FakeBoard("a", 5), FakeBoard("b", 5), FakeBoard("c", 5)], Counters())
    compared = fleet.compare(FakeConsole({"a": 5, "b": 3, "c": 6}))
    assert (compared.received, compared.duplicates, compared.lost) == (14, 3, 2)
    assert compared.lost_of == ["b"]


def test_percentile_is_the_nearest_rank():
    ordered = [n / 1000 for n in range(1, 101)]
    assert [run._percentile(ordered, p) for p in (50, 95, 99, 100)] == [50.0, 95.0, 99.0, 100.0]
    assert run._percentile([], 50) == 0.0
    assert run._percentile([0.007], 99) == 7.0
