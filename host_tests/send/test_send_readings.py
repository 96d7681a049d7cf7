"""Readings rescued from a board, delivered as that device: each once, whatever ends it."""

import datetime
import json
import signal
import time

import pytest
from emulator_process import DEVICE_SECRET, EmulatorProcess
from filled_outbox import START_MS, fill_outbox
from linkpost_command import DEVICE, run, start, write_config
from tls_server import Authority, Peer

FORGET = "--forget-through 17 --outbox-id"


@pytest.fixture(scope="module")
def shared():
    with EmulatorProcess() as process:
        yield process


@pytest.fixture
def emulator(shared):
    shared.clear_faults()
    shared.heard = len(shared.messages())
    yield shared
    shared.clear_faults()


@pytest.fixture
def rescued(emulator, tmp_path):
    """Readings saved from a flash, and the command that delivers them."""
    return Rescued(emulator, tmp_path)


class Rescued:
    def __init__(self, emulator, folder):
        self.emulator = emulator
        self.file = folder / "readings.jsonl"
        self.sent = folder / "readings.jsonl.sent"
        self.config = write_config(folder, emulator.platform)
        flash = folder / "flash"
        self.outbox = fill_outbox(flash, 12, 5)
        (flash / "config.json").write_bytes(self.config.read_bytes())
        done = run("outbox", "--flash", flash, "--save", self.file)
        assert done.returncode == 0, done.stderr

    @property
    def arguments(self):
        return (
            "send", "--readings", self.file, "--config", self.config, "--ca", self.emulator.ca,
        )  # fmt: skip

    def run(self, *more):
        done = run(*self.arguments, *more)
        assert DEVICE_SECRET not in done.stdout + done.stderr
        return done

    def arrived(self):
        messages = self.emulator.messages()[self.emulator.heard :]
        return [json.loads(message["text"]) for message in messages]

    def arrived_seqs(self):
        return [one["seq"] for one in self.arrived()]


def test_readings_arrive_as_a_board_would_have_sent_them_each_once(rescued):
    done = rescued.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "12 of 12 readings delivered",
        f"If the board is still in use: linkpost outbox {FORGET} {rescued.outbox.stream}",
    ]
    assert rescued.arrived_seqs() == list(range(6, 18))
    assert rescued.arrived()[0] == {
        "stream": rescued.outbox.stream, "seq": 6, "time": START_MS + 6, "n": 6,
    }  # fmt: skip
    again = rescued.run()
    assert again.returncode == 0
    assert "12 of 12" in again.stdout
    assert len(rescued.arrived_seqs()) == 12


def test_alink_config_delivers_in_the_thing_models_form(rescued, emulator, tmp_path):
    rescued.config = write_config(tmp_path, emulator.platform, format="alink")
    assert rescued.run().returncode == 0
    first = rescued.arrived()[0]
    assert first["method"] == "thing.event.property.post"
    assert (first["id"], first["params"]["n"]["value"]) == ("6", 6)


def test_killed_in_the_middle_it_goes_on_and_repeats_one_at_most(rescued, emulator):
    emulator.fault(endpoint="topic", kind="delay", ms=150)
    with start(*rescued.arguments) as process:
        wait_until(lambda: len(rescued.arrived_seqs()) >= 4)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    emulator.clear_faults()
    time.sleep(0.5)
    before = rescued.arrived_seqs()
    assert len(before) < 12
    assert rescued.run().returncode == 0
    seqs = rescued.arrived_seqs()
    assert sorted(set(seqs)) == list(range(6, 18))
    assert len(seqs) - len(set(seqs)) <= 1


def test_each_accepted_one_is_written_down_before_the_next_is_sent(rescued, emulator):
    emulator.fault(endpoint="topic", kind="stall")
    emulator.api("DELETE", "/api/faults")
    emulator.fault(endpoint="topic", kind="delay", ms=300)
    with start(*rescued.arguments) as process:
        wait_until(lambda: len(rescued.arrived_seqs()) >= 3)
        written = [json.loads(line) for line in rescued.sent.read_text().splitlines()[1:]]
        arrived = rescued.arrived_seqs()
        assert [one["seq"] for one in written] == arrived[: len(written)]
        assert len(arrived) - len(written) <= 1
        process.kill()


def test_ctrl_c_says_how_far_it_is(rescued, emulator):
    emulator.fault(endpoint="topic", kind="delay", ms=300)
    with start(*rescued.arguments) as process:
        wait_until(lambda: len(rescued.arrived_seqs()) >= 3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "of 12 readings delivered; the same command continues" in errors
    emulator.clear_faults()
    assert rescued.run().returncode == 0


def wait_until(condition, wait_s=30.0):
    end = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_passing_troubles_are_waited_out(rescued, emulator):
    emulator.fault(endpoint="topic", kind="code", code=20001, times=1)
    emulator.fault(endpoint="topic", kind="close_before", times=2)
    emulator.fault(endpoint="topic", kind="code", code=40000, times=1)
    done = rescued.run()
    assert done.returncode == 0, done.stderr
    assert "(40000); again in" in done.stderr
    assert sorted(set(rescued.arrived_seqs())) == list(range(6, 18))


def test_reading_that_is_refused_for_its_own_sake_is_named_and_the_others_arrive(
    rescued, emulator
):
    emulator.fault(endpoint="topic", kind="code", code=10001, times=1)
    done = rescued.run()
    assert done.returncode == 5
    assert "11 of 12 readings delivered, 1 refused\n" in done.stdout
    assert "seq=6 refused: param error" in done.stdout
    assert rescued.arrived_seqs() == list(range(7, 18))


def test_topic_that_is_refused_for_all_keeps_all(rescued):
    done = rescued.run("--topic", "/a1Other/other/user/update")
    assert done.returncode == 5
    assert "check the topic" in done.stderr
    assert rescued.arrived_seqs() == []
    assert rescued.run().returncode == 0
    assert rescued.arrived_seqs() == list(range(6, 18))


def test_wrong_secret_ends_with_3_and_nothing_is_lost(rescued, emulator, tmp_path):
    rescued.config = write_config(tmp_path, emulator.platform, device_secret="f" * 32)
    done = rescued.run()
    assert done.returncode == 3
    rescued.config = write_config(tmp_path, emulator.platform)
    assert rescued.run().returncode == 0
    assert len(rescued.arrived_seqs()) == 12


def test_wrong_clock_of_this_computer_is_named_in_each_command_that_connects(rescued, tmp_path):
    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.ca.cert_pem.bytes())
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    context = authority.context(not_before=now - 9 * day, not_after=now - day)
    with Peer(context, lambda connection: connection.read_request()) as peer:
        config = write_config(tmp_path, f"localhost:{peer.port}")
        ours = ("--config", config, "--ca", ca)
        for arguments in (
            ("send", "--readings", rescued.file, *ours),
            ("send", "--data", "x", *ours),
            ("provision", "--from", config, "--check", "--ca", ca, "--out", tmp_path / "out"),
        ):
            done = run(*arguments)
            assert done.returncode == 4, done.stderr
            assert "This computer's clock shows" in done.stderr
            assert "the board's" not in done.stderr


# -- what is not for this device, or not of this outbox ----------------------------------------


def lines_of(rescued):
    return [json.loads(line) for line in rescued.file.read_text().splitlines()]


def write_lines(rescued, lines):
    rescued.file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_readings_of_another_device_are_refused(rescued):
    write_lines(rescued, [{**line, "device": "a1pk/other"} for line in lines_of(rescued)])
    done = rescued.run()
    assert done.returncode == 2
    assert "holds readings of a1pk/other" in done.stderr
    assert done.stderr.count("\n") == 1
    assert rescued.arrived_seqs() == []
    assert not rescued.sent.exists()


def test_readings_of_nobody_known_go_as_the_configs_device_and_that_is_said(rescued):
    write_lines(rescued, [{**line, "device": None} for line in lines_of(rescued)])
    done = rescued.run()
    assert done.returncode == 0
    assert f"sending them as {DEVICE}'s" in done.stderr


BAD_LINES = {
    "another outbox": (lambda lines: [*lines[:5], {**lines[5], "stream": "00000000"}], "another"),
    "another device": (lambda lines: [*lines[:5], {**lines[5], "device": "a/b"}], "another"),
    "a seq that comes again": (lambda lines: [*lines, lines[-1]], "not in the order"),
    "a reading as it is on the wire": (lambda lines: [{"seq": 1, "stream": "0" * 8}], "line 1"),
    "a seq that is none": (lambda lines: [{**lines[0], "seq": "6"}], "line 1 is not a reading"),
    "a number": (lambda lines: [lines[0], 17], "line 2 is not a reading"),
    "nothing": (lambda lines: [], "holds no reading"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_file_that_is_none_of_ours_is_refused_whole(rescued, case):
    change, words = BAD_LINES[case]
    write_lines(rescued, change(lines_of(rescued)))
    done = rescued.run()
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert rescued.arrived_seqs() == []


def test_file_that_is_cut_short_is_refused_whole(rescued):
    text = rescued.file.read_text()
    rescued.file.write_text(text[: len(text) - 20])
    assert "line 12 is not a reading" in rescued.run().stderr
    assert rescued.arrived_seqs() == []


def test_progress_of_other_readings_is_refused(rescued):
    assert rescued.run().returncode == 0
    write_lines(rescued, lines_of(rescued)[:5])
    done = rescued.run()
    assert done.returncode == 2
    assert "belongs to other readings" in done.stderr


def test_progress_cut_off_by_a_crash_is_mended(rescued):
    assert rescued.run().returncode == 0
    content = rescued.sent.read_bytes()
    rescued.sent.write_bytes(content[:-10])
    assert rescued.run().returncode == 0
    assert rescued.arrived_seqs() == [*range(6, 18), 17]


def test_second_one_at_the_same_readings_is_kept_off(rescued, emulator):
    emulator.fault(endpoint="topic", kind="delay", ms=300)
    with start(*rescued.arguments) as first:
        wait_until(lambda: len(rescued.arrived_seqs()) >= 1)
        done = rescued.run()
        assert done.returncode == 2
        assert "is in use" in done.stderr
        first.kill()


@pytest.mark.parametrize("more", [("--data", "x"), ("--file", "x")])
def test_readings_go_alone(rescued, more):
    done = rescued.run(*more)
    assert done.returncode == 2
