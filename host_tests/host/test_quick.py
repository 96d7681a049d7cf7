"""`make quick`: every room has tests, and its own are the ones that run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from host_tests import quick
from host_tests.documents.markdown import ROOT


def names(room: str) -> list[str]:
    return [path.name for path in quick.tests_of(room)]


@pytest.mark.parametrize("room", sorted(quick.rooms()))
def test_every_room_has_tests(room):
    assert names(room), f"nothing tests {room}: `make quick` would run nothing"


def test_rooms_are_those_of_the_firmware_and_of_the_tools():
    found = quick.rooms()
    assert {"storage", "sensors", "app", "deploy", "emulator"} <= found.keys()
    assert found["client"] == ["linkpost.client", "tools.client"]
    assert "linkpost" not in found and "__init__" not in found


@pytest.mark.parametrize(
    ("room", "test", "not_these"),
    [
        ("storage", "test_outbox.py", {"test_sensor_aht20.py", "test_image.py"}),
        ("sensors", "test_sensor_sht3x.py", {"test_outbox.py"}),
        ("deploy", "test_deploy_plan.py", {"test_deploy_serial.py", "test_outbox.py"}),
        # Only the app loads it.
        ("lifecycle", "test_app.py", {"test_outbox.py"}),
        # Nothing quicker than whole programs tests it.
        ("register", "test_register.py", {"test_outbox.py"}),
    ],
)
def test_tests_of_a_room_are_its_own(room, test, not_these):
    found = names(room)
    assert test in found and not not_these & set(found)


def test_closest_tests_come_first():
    assert names("ports")[0] in ("test_ports.py", "test_port_contract.py")
    assert names("storage").index("test_outbox.py") < names("storage").index("test_properties.py")


def test_room_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(SystemExit, match="no room 'storge'. Rooms: .*storage"):
        quick.tests_of("storge")


def test_what_the_time_does_not_reach_is_left_out_and_said(tmp_path):
    (tmp_path / "test_slow.py").write_text(
        "import time\ndef test_a():\n    time.sleep(6)\ndef test_b():\n    assert 0\n"
    )
    program = (
        "import pytest, sys\nfrom host_tests import quick\nquick.BUDGET_S = 6\n"
        f"sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', {str(tmp_path)!r}], "
        "plugins=[quick._Budget()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout
    assert "1 tests of 1 files are left to make test: test_slow.py" in done.stdout
