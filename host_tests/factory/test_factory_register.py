"""`linkpost factory --register`: a board gets its own secret when it is plugged in, and never sees
the product's."""

import json
import signal
import sys

import pytest
from bench_board import BOOTED
from emulator_client import authenticate
from emulator_process import EmulatorProcess
from linkpost_command import run, start
from registration_client import PRODUCT, PRODUCT_SECRET
from test_factory import MACS, Bench, wait_to_hear

from tools.client.devices_csv import read_devices

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals here")
BY_MAC = "240ac4000000"  # MACS[0]


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess((), ("--product", f"{PRODUCT},{PRODUCT_SECRET}")) as process:
        process.add_names(PRODUCT, [BY_MAC])
        yield process


@pytest.fixture
def bench(emulator, tmp_path):
    return RegisteringBench(emulator, tmp_path)


class RegisteringBench(Bench):
    def __init__(self, emulator, folder):
        super().__init__(folder)
        self.emulator = emulator
        self.out = folder / "devices.csv"
        self.out.unlink()
        self.secret_file = folder / "product.secret"
        self.secret_file.write_text(PRODUCT_SECRET)

    def arguments(self, *more):
        files = [str(one) for one in super().arguments() if one != "--csv"]
        files.remove(str(self.out))
        given = ("--product-key", PRODUCT, "--product-secret-file", self.secret_file)
        ours = ("--host", self.emulator.platform, "--ca", self.emulator.ca, "--out", self.out)
        return (*files, "--register", *given, *ours, "--no-report", *more)

    def names(self, *names):
        path = self.folder / "names.csv"
        path.write_text("\n".join(["DeviceName", *names, ""]))
        return ("--csv", path)

    def flash_of(self, board):
        return board.flash.read_bytes()


def test_board_is_named_by_its_mac_and_gets_its_own_secret(emulator, bench):
    with bench.board(0) as board, start(*bench.arguments("--port", board.port)) as factory:
        board.plug_in()
        bench.wait_for(board.mac, "written")
        board.run(BOOTED)
        heard = wait_to_hear(factory, "is done (")
        factory.send_signal(signal.SIGINT)  # without a list there is no end
        output, errors = factory.communicate(timeout=60)
        errors += heard
    assert factory.returncode == 130
    assert output == f"{PRODUCT}/{BY_MAC}  {MACS[0]}\n"
    (triple,) = read_devices(bench.out)
    assert (triple.product_key, triple.device_name) == (PRODUCT, BY_MAC)
    content = bench.flash_of(board)
    assert triple.device_secret.encode() in content
    assert PRODUCT_SECRET.encode() not in content
    for text in (output, errors, bench.ledger.read_text()):
        assert triple.device_secret not in text
        assert PRODUCT_SECRET not in text
    assert authenticate(emulator, (PRODUCT, BY_MAC, triple.device_secret))
    assert not bench.images.exists()


def test_boards_get_the_names_of_a_list_until_it_is_used_up(emulator, bench):
    names = ["fab-001", "fab-002"]
    emulator.add_names(PRODUCT, names)
    arguments = bench.arguments(*bench.names(*names))
    with bench.board(1) as one, bench.board(2) as other:
        with start(*arguments, "--port", one.port) as factory:
            one.plug_in()
            bench.wait_for(one.mac, "written")
            one.run(BOOTED)
            bench.wait_for(one.mac, "done")
            bench.change(one, other, factory)
            bench.wait_for(other.mac, "written")
            other.run(BOOTED)
            output, errors = factory.communicate(timeout=60)
        assert factory.returncode == 0, errors
        assert "2 devices: 2 done" in errors
        flashes = [bench.flash_of(board) for board in (one, other)]
    triples = read_devices(bench.out)
    assert [one.device_name for one in triples] == names
    for triple, content in zip(triples, flashes, strict=True):
        assert triple.device_secret.encode() in content
        config = content[content.index(b'"device_name"') :]
        assert json.dumps(triple.device_name).encode() in config[:80]


def test_refused_name_fails_its_board_alone_and_is_asked_again_when_it_comes_back(emulator, bench):
    arguments = bench.arguments(*bench.names("not-made"))
    with bench.board(3) as board, start(*arguments, "--port", board.port) as factory:
        board.plug_in()
        line = wait_to_hear(factory, "FAILED")
        assert "not-made: refused: device not found (6100)" in line
        bench.wait_for(board.mac, "failed")
        assert board.flash.read_bytes() == b"\xff" * len(board.flash.read_bytes())
        emulator.add_names(PRODUCT, ["not-made"])
        bench.change(board, board, factory)
        bench.wait_for(board.mac, "written")
        board.run(BOOTED)
        _, errors = factory.communicate(timeout=60)
    assert factory.returncode == 0, errors
    assert [one.device_name for one in read_devices(bench.out)] == ["not-made"]


def test_lost_secret_is_not_asked_for_again(emulator, bench):
    emulator.add_names(PRODUCT, ["fab-lost"])
    emulator.fault(endpoint="register", kind="close_after", times=1)
    arguments = bench.arguments(*bench.names("fab-lost"))
    with bench.board(3) as board, start(*arguments, "--port", board.port) as factory:
        board.plug_in()
        line = wait_to_hear(factory, "FAILED")
        assert "fab-lost: asked, not received" in line
        assert "reset it in the console" in line
        bench.wait_for(board.mac, "failed")
        bench.change(board, board, factory)
        assert "in an earlier run" in wait_to_hear(factory, "FAILED")
    assert emulator.log.count("fab-lost /auth/register/device") == 1


def test_wrong_product_secret_ends_the_factory_before_a_board_is_written(emulator, bench):
    bench.secret_file.write_text("not-this-one")
    with bench.board(0) as board, start(*bench.arguments("--port", board.port)) as factory:
        board.plug_in()
        output, errors = factory.communicate(timeout=60)
        assert board.flash.read_bytes() == b"\xff" * len(board.flash.read_bytes())
    assert factory.returncode == 3, errors
    assert "Check the product's secret" in errors
    assert "not-this-one" not in errors
    assert not bench.out.exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--register",), "needs --product-key and --out"),
        (("--product-key", "a1"), "go with --register"),
        ((), "give the device list with --csv"),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(bench, more, words):
    config = ("--config", bench.config, "--ledger", bench.ledger)
    done = run("factory", "ESP32_GENERIC_C3", *config, *more)
    assert done.returncode == 2
    assert words in done.stderr
    assert not bench.ledger.exists()
