"""The real client on both runtimes meets every code and every fault of the real emulator.

Each case says what the client ends in, and how many requests that may cost: not one too many.
"""

from __future__ import annotations

import pytest
from client_process import ClientProcess
from emulator_process import EmulatorProcess

PK, DN, SECRET = "a1B2c3D4e5F", "sensor01", "canary0123456789abcdef0123456789"
DEVICE = f"{PK}/{DN}"
TOPIC = f"/{PK}/{DN}/user/update"

RUNTIMES = ("cpython", "micropython")


def _config(emulator, **more) -> dict:
    return {
        "endpoint": emulator.platform,
        "product_key": PK,
        "device_name": DN,
        "device_secret": SECRET,
        **more,
    }


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess(devices=[(PK, DN, SECRET)]) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def keeping_emulator():
    with EmulatorProcess(devices=[(PK, DN, SECRET)], options=["--keep-alive"]) as emulator:
        yield emulator


@pytest.fixture(scope="module", params=RUNTIMES)
def client(request, emulator, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with ClientProcess(request.param, folder, _config(emulator), emulator.ca) as client:
        yield client


@pytest.fixture(scope="module", params=RUNTIMES)
def keeping_client(request, keeping_emulator, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    config = _config(keeping_emulator)
    with ClientProcess(request.param, folder, config, keeping_emulator.ca) as client:
        yield client


class _Counts:
    """What one case cost: requests, tokens and accepted messages."""

    def __init__(self, emulator):
        self._emulator = emulator
        self._before = self._read()

    def _read(self):
        device = self._emulator.devices()[DEVICE]
        requests = device["requests"]
        return requests["auth"], requests["topic"], device["accepted"]

    def spent(self):
        """(requests to /auth, requests to topics, messages accepted) since the start."""
        return tuple(now - before for now, before in zip(self._read(), self._before, strict=True))


@pytest.fixture
def ready(client, emulator):
    """A client with a good token, and an emulator without faults."""
    emulator.clear_faults()
    assert "id" in client.publish(TOPIC)
    yield client
    emulator.clear_faults()


# What a dead token costs is one authentication and one re-send; docs/protocol.md has each code.
TOPIC_CODES = [
    # code, error, retry, /auth requests, topic requests
    (10000, "ServiceError", "backoff", 0, 1),
    (10001, "RejectedError", "never", 0, 1),
    (20001, "TokenError", "backoff", 1, 2),
    (20002, "TokenError", "backoff", 1, 2),
    (20003, "TokenError", "backoff", 1, 2),
    (30001, "RejectedError", "never", 0, 2),
    (40000, "ThrottledError", "long", 0, 1),
    (50999, "ServiceError", "backoff", 0, 1),
]


@pytest.mark.parametrize("code,error,retry,auths,topics", TOPIC_CODES)
def test_topic_code_that_lasts(ready, emulator, code, error, retry, auths, topics):
    emulator.fault(endpoint="topic", kind="code", code=code, times=None)
    counts = _Counts(emulator)
    answer = ready.publish(TOPIC)
    assert (answer["error"], answer["retry"], answer["code"]) == (error, retry, code)
    assert counts.spent() == (auths, topics, 0)
    emulator.clear_faults()
    assert "id" in ready.publish(TOPIC)


@pytest.mark.parametrize("code", [20001, 20002, 20003])
def test_topic_dead_token_costs_one_authentication_and_one_resend(ready, emulator, code):
    emulator.fault(endpoint="topic", kind="code", code=code, times=1)
    counts = _Counts(emulator)
    answer = ready.publish(TOPIC, f"the message that met {code}")
    assert len(answer["id"]) == 19
    assert counts.spent() == (1, 2, 1)
    assert emulator.messages(DEVICE)[-1]["text"] == f"the message that met {code}"


def test_topic_token_that_really_expired_is_renewed(ready, emulator):
    emulator.expire_tokens(DEVICE)
    counts = _Counts(emulator)
    assert "id" in ready.publish(TOPIC)
    assert counts.spent() == (1, 2, 1)


def test_topic_publish_error_once_is_sent_again(ready, emulator):
    emulator.fault(endpoint="topic", kind="code", code=30001, times=1)
    counts = _Counts(emulator)
    assert "id" in ready.publish(TOPIC)
    assert counts.spent() == (0, 2, 1)


def test_topic_of_another_device_is_refused(ready, emulator):
    counts = _Counts(emulator)
    answer = ready.publish(f"/{PK}/another1/user/update")
    assert (answer["error"], answer["code"]) == ("RejectedError", 30001)
    assert "/another1/" in answer["message"]
    assert counts.spent() == (0, 2, 0)


AUTH_CODES = [
    (10000, "ServiceError", "backoff"),
    (10001, "AuthError", "slowly"),
    (20000, "AuthError", "slowly"),
    (20002, "ServiceError", "backoff"),
    (20004, "ServiceError", "backoff"),
    (40000, "ThrottledError", "long"),
    (50999, "ServiceError", "backoff"),
]


@pytest.mark.parametrize("code,error,retry", AUTH_CODES)
def test_auth_code_is_asked_once(ready, emulator, code, error, retry):
    emulator.expire_tokens(DEVICE)
    emulator.fault(endpoint="auth", kind="code", code=code, times=None)
    counts = _Counts(emulator)
    answer = ready.publish(TOPIC)
    assert (answer["error"], answer["retry"], answer["code"]) == (error, retry, code)
    assert SECRET not in str(answer)
    assert counts.spent() == (1, 1, 0)
    emulator.clear_faults()
    assert "id" in ready.publish(TOPIC)
    assert counts.spent() == (2, 2, 1)


# kind, parameters, error (None: the message is accepted), accepted by the platform all the same
FAULTS = [
    ("delay", {"ms": 300}, None, 1),
    ("close_before", {}, "NetworkError", 0),
    ("close_before", {"reset": True}, "NetworkError", 0),
    ("close_after", {}, "NetworkError", 1),
    ("close_after", {"reset": True}, "NetworkError", 1),
    ("close_middle", {}, "ProtocolError", 1),
    ("close_middle", {"bytes": 250}, "ProtocolError", 1),
    ("drip", {"interval_ms": 2}, None, 1),
    ("drip_record", {"interval_ms": 2}, None, 1),
    ("drip_handshake", {"interval_ms": 1}, None, 1),
    ("drip", {"interval_ms": 200}, "DeadlineError", 1),
    ("drip_record", {"interval_ms": 200}, "DeadlineError", 1),
    ("drip_handshake", {"interval_ms": 200}, "DeadlineError", 0),
    ("stall", {}, "DeadlineError", 0),
    ("garbage", {}, "ProtocolError", 0),
    ("chunked", {}, None, 1),
    ("no_content_length", {}, None, 1),
    ("oversize_head", {}, "ProtocolError", 1),
    ("oversize_body", {}, "ProtocolError", 1),
    ("redirect", {"location": "https://elsewhere.example/"}, "ServiceError", 0),
    ("status", {"status": 500}, "ServiceError", 0),
    ("status", {"status": 404}, "ServiceError", 0),
]


@pytest.mark.parametrize(
    "kind,parameters,error,accepted",
    FAULTS,
    ids=[f"{kind}-{'-'.join(map(str, more.values()))}" for kind, more, _, _ in FAULTS],
)
def test_fault_ends_in_its_error_with_one_request(
    ready, emulator, kind, parameters, error, accepted
):
    emulator.fault(endpoint="topic", kind=kind, times=1, **parameters)
    counts = _Counts(emulator)
    # Generous where it succeeds: a byte per ms is slower on a busy machine.
    answer = ready.publish(TOPIC, deadline_ms=3_000 if error else 30_000)
    assert answer.get("error") == error, answer
    if error:
        assert answer["retry"] == "backoff"
    requests = 0 if kind == "drip_handshake" and error else 1
    assert counts.spent() == (0, requests, accepted)
    emulator.clear_faults()
    assert "id" in ready.publish(TOPIC), "the client has recovered"


@pytest.mark.parametrize("kind", ["close_before", "garbage", "stall", "oversize_body", "redirect"])
def test_fault_while_authenticating_keeps_the_message_unsent(ready, emulator, kind):
    emulator.expire_tokens(DEVICE)
    emulator.fault(endpoint="auth", kind=kind, times=1)
    counts = _Counts(emulator)
    answer = ready.publish(TOPIC, deadline_ms=2_000)
    assert answer["retry"] == "backoff"
    assert counts.spent() == (1, 1, 0)
    assert "id" in ready.publish(TOPIC)
    assert counts.spent() == (2, 2, 1)


def test_kept_connection_carries_many_messages(keeping_client, keeping_emulator):
    keeping_emulator.clear_faults()
    keeping_client.publish(TOPIC)
    before = keeping_emulator.totals()["connections"]
    for _ in range(10):
        assert "id" in keeping_client.publish(TOPIC)
    assert keeping_emulator.totals()["connections"] == before


@pytest.mark.parametrize("reset", [False, True])
def test_kept_connection_that_closes_before_the_reply_is_replaced_once(
    keeping_client, keeping_emulator, reset
):
    keeping_emulator.clear_faults()
    keeping_client.publish(TOPIC)
    keeping_emulator.fault(endpoint="topic", kind="close_before", times=1, reset=reset)
    counts = _Counts(keeping_emulator)
    assert "id" in keeping_client.publish(TOPIC)
    assert counts.spent() == (0, 2, 1)
    keeping_emulator.fault(endpoint="topic", kind="close_before", times=None, reset=reset)
    assert keeping_client.publish(TOPIC)["error"] == "NetworkError"
    assert counts.spent() == (0, 4, 1)
    keeping_emulator.clear_faults()


def test_kept_connection_closed_while_idle_is_noticed(keeping_client, keeping_emulator):
    keeping_client.publish(TOPIC)
    keeping_emulator.restart()
    counts = _Counts(keeping_emulator)
    assert "id" in keeping_client.publish(TOPIC)
    assert counts.spent() == (0, 1, 1)


def test_large_payload_streams_in_constant_heap(ready, emulator):
    ready.publish(TOPIC, zeros=131_072)
    assert len(emulator.messages(DEVICE)[-1]["text"]) == 131_072
    before = ready.ask("heap")["alloc"]
    for _ in range(3):
        assert "id" in ready.publish(TOPIC, zeros=131_072)
    assert abs(ready.ask("heap")["alloc"] - before) < 6_000


def test_large_payload_that_met_a_dead_token_is_sent_again_whole(ready, emulator):
    emulator.expire_tokens(DEVICE)
    counts = _Counts(emulator)
    assert "id" in ready.publish(TOPIC, zeros=100_000)
    assert counts.spent() == (1, 2, 1)
    assert emulator.messages(DEVICE)[-1]["text"] == "0" * 100_000


@pytest.mark.parametrize("size", [0, 131_073])
def test_payload_outside_the_limits_sends_nothing(ready, emulator, size):
    counts = _Counts(emulator)
    answer = ready.publish(TOPIC, zeros=size)
    assert (answer["error"], answer["retry"]) == ("ConfigError", "never")
    assert counts.spent() == (0, 0, 0)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_token_on_flash_saves_the_second_authentication(runtime, emulator, tmp_path):
    emulator.clear_faults()
    config = _config(emulator)
    counts = _Counts(emulator)
    with ClientProcess(runtime, tmp_path, config, emulator.ca) as client:
        assert "id" in client.publish(TOPIC)
    assert counts.spent() == (1, 1, 1)
    with ClientProcess(runtime, tmp_path, config, emulator.ca) as client:
        assert "id" in client.publish(TOPIC)
    assert counts.spent() == (1, 2, 2)
    # Another secret makes it void, before the platform could say so.
    with ClientProcess(runtime, tmp_path, {**config, "device_secret": "x" * 32}, None) as client:
        assert client.publish(TOPIC)["error"] == "AuthError"
    assert counts.spent() == (2, 2, 2)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("method", ["hmacmd5", "hmacsha1", "auto"])
def test_every_sign_method_authenticates(runtime, method, emulator, tmp_path):
    emulator.clear_faults()
    config = _config(emulator, sign_method=method, client_id='any "text" \\ \u00e9')
    with ClientProcess(runtime, tmp_path, config, emulator.ca) as client:
        assert "id" in client.publish(TOPIC)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_unknown_ca_and_missing_anchor_are_said_apart(runtime, emulator, tmp_path):
    with (
        EmulatorProcess(devices=[]) as other,
        ClientProcess(runtime, tmp_path / "a", _config(emulator), other.ca) as client,
    ):
        assert client.publish(TOPIC)["reason"] == "untrusted"
    with ClientProcess(runtime, tmp_path / "b", _config(emulator), None) as client:
        assert client.publish(TOPIC)["reason"] == "no anchor"
