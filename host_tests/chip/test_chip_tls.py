"""The firmware and mbedTLS on the chip itself: certificates, an outage, a large file."""

import datetime
import json
import threading

import pytest
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess
from tls_server import Authority, Peer, answer_all

from host_tests.chip.emulated_board import EmulatedBoard, readings
from tools.virtual_board import supervisor

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"


@pytest.fixture
def emulator():
    with EmulatorProcess() as process:
        yield process


def errors_in(emulated):
    """Return the errors' words in a board's log."""
    return [line for line in emulated.lines if " send failed " in line]


def test_twenty_reports_with_tls_on_the_chip(tmp_path, emulator):
    emulated = EmulatedBoard(tmp_path)
    emulated.put(emulator.platform, emulator.ca, interval_s=1)
    outcome = emulated.run(reports=20, timeout_s=900)
    assert outcome.reason == supervisor.DONE, emulated.log
    found = readings(emulator, DEVICE)
    assert [reading["seq"] for reading in found] == list(range(1, len(found) + 1))
    assert len(found) >= 20
    assert emulator.devices()[DEVICE]["authentications"] == 1


def test_certificate_of_another_ca_is_refused_and_nothing_is_sent(tmp_path, emulator):
    other = tmp_path / "other.pem"
    other.write_bytes(Authority().ca.cert_pem.bytes())
    emulated = EmulatedBoard(tmp_path)
    emulated.put(emulator.platform, other, interval_s=1)
    outcome = emulated.run(reports=1, timeout_s=60, until=lambda line: " send failed " in line)
    assert outcome.counts.accepted == 0
    assert any(
        "TLSError" in line and "not correctly signed by" in line for line in errors_in(emulated)
    ), emulated.log
    assert not emulator.messages(DEVICE)
    assert emulator.devices()[DEVICE]["authentications"] == 0


def test_certificate_that_has_expired_is_refused(tmp_path):
    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.ca.cert_pem.bytes())
    now = datetime.datetime.now(datetime.UTC)
    context = authority.context(
        not_before=now - datetime.timedelta(days=90), not_after=now - datetime.timedelta(days=30)
    )
    emulated = EmulatedBoard(tmp_path)
    with Peer(context, answer_all) as peer:
        emulated.put(f"localhost:{peer.port}", ca, interval_s=1)
        emulated.run(reports=1, timeout_s=60, until=lambda line: " send failed " in line)
    assert any("TLSError" in line and "has expired" in line for line in errors_in(emulated)), (
        emulated.log
    )


def test_outage_of_a_hundred_readings_is_drained_in_order(tmp_path, emulator):
    emulated = EmulatedBoard(tmp_path)
    emulated.put(emulator.platform, emulator.ca, interval_s=2, outbox={"batch_bytes": 4000})
    emulator.kill()
    restarted = threading.Event()

    def end_outage(line):
        if " pending=100" in line and not restarted.is_set():
            restarted.set()
            emulator.start()

    outcome = emulated.run(reports=101, timeout_s=900, on_line=end_outage)
    assert restarted.is_set(), emulated.log
    assert outcome.reason == supervisor.DONE, emulated.log[-3000:]
    found = readings(emulator, DEVICE)
    assert [reading["seq"] for reading in found] == list(range(1, len(found) + 1))
    assert len(found) >= 101


def test_file_of_128_kb_is_streamed_from_flash(tmp_path, emulator):
    # A byte of JSON around as many as a message may have.
    body = json.dumps({"data": "x" * (128 * 1024 - 12)}).encode()
    assert len(body) == 128 * 1024
    emulated = EmulatedBoard(tmp_path)
    emulated.put(emulator.platform, emulator.ca, more={"user/large.json": body})
    with emulated.repl() as repl:
        script = (
            "from linkpost import Client, Config\n"
            "from linkpost.link import Link\n"
            "import gc\n"
            "client = Client(Config.load('config.json'))\n"
            "gc.collect(); before = gc.mem_alloc()\n"
            f"topic = '/{PRODUCT_KEY}/{DEVICE_NAME}/user/update'\n"
            "print(client.publish_file(topic, '/user/large.json', 300000))\n"
        )
        output, error = repl.run(script.encode(), 600)
    assert not error, error.decode()
    assert output.strip().isdigit(), output
    assert [message["payload"] for message in emulator.messages(DEVICE)] == [body]
