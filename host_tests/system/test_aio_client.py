"""linkpost.aio's client on both runtimes against the real emulator, beside a task of its own.

The policy is the blocking client's, which meets every code and fault in
test_client_codes_and_faults.py; here is what waiting changes.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from client_process import ClientProcess
from emulator_process import EmulatorProcess

PK, DN, SECRET = "a1B2c3D4e5F", "sensor01", "canary0123456789abcdef0123456789"
DEVICE = f"{PK}/{DN}"
TOPIC = f"/{PK}/{DN}/user/update"
_DRIVER = Path(__file__).parent.parent / "shared" / "aio_driver.py"


@pytest.fixture(scope="module")
def platform():
    with EmulatorProcess(devices=[(PK, DN, SECRET)], options=["--keep-alive"]) as platform:
        yield platform


@pytest.fixture(scope="module", params=["cpython", "micropython"])
def runtime(request):
    return request.param


@pytest.fixture(scope="module")
def folder(runtime, tmp_path_factory):
    return tmp_path_factory.mktemp(runtime)


@pytest.fixture(scope="module")
def process(runtime, platform, folder):
    config = {
        "endpoint": platform.platform,
        "product_key": PK,
        "device_name": DN,
        "device_secret": SECRET,
    }
    with ClientProcess(runtime, folder, config, platform.ca, driver=_DRIVER) as process:
        yield process


@pytest.fixture
def client(process, platform):
    """A client with a good token and a kept connection, and an emulator without faults."""
    platform.clear_faults()
    assert "id" in process.publish(TOPIC)
    yield process
    platform.clear_faults()


def _requests(platform) -> tuple[int, int]:
    requests = platform.devices()[DEVICE]["requests"]
    return requests["auth"], requests["topic"]


def _texts(platform, count: int) -> list[str]:
    return [message["text"] for message in platform.messages(DEVICE)[-count:]]


def test_import_of_linkpost_loads_neither_aio_nor_asyncio(client):
    assert client.ask("loaded")["before"] == []


def test_publish_is_accepted_over_a_connection_that_is_kept(client, platform):
    connections = platform.totals()["connections"]
    for text in ("one", "two"):
        assert len(client.publish(TOPIC, text)["id"]) == 19
    assert _texts(platform, 2) == ["one", "two"]
    assert platform.totals()["connections"] == connections


def test_publish_tasks_at_once_arrive_in_turn_over_one_connection(client, platform):
    texts = [f"message {i}" for i in range(8)]
    connections = platform.totals()["connections"]
    ids = client.ask("together", topic=TOPIC, all=texts)["ids"]
    assert len(set(ids)) == 8
    assert _texts(platform, 8) == texts
    assert platform.totals()["connections"] == connections


def test_publish_dead_token_costs_one_authentication_and_one_resend(client, platform):
    platform.expire_tokens(DEVICE)
    auths, topics = _requests(platform)
    assert "id" in client.publish(TOPIC, "met a dead token")
    assert _requests(platform) == (auths + 1, topics + 2)
    assert _texts(platform, 1) == ["met a dead token"]


def test_publish_131072_bytes_stream_whole(client, platform):
    assert "id" in client.publish(TOPIC, zeros=131_072)
    assert _texts(platform, 1) == ["0" * 131_072]


def test_publish_file_in_an_async_with_block_leaves_nothing_open(client, platform, folder):
    (folder / "photo").write_bytes(b"p" * 50_000)
    answer = client.ask("with", topic=TOPIC, path="photo")
    assert len(answer["id"]) == 19
    assert answer["connected"] is False
    assert _texts(platform, 1) == ["p" * 50_000]


# kind, endpoint, parameters: at which of them a peer keeps us waiting.
WAITS = [
    ("delay", "topic", {"ms": 1500}),
    ("drip", "topic", {"interval_ms": 10}),
    ("drip_record", "topic", {"interval_ms": 5}),
]


@pytest.mark.parametrize("kind,endpoint,more", WAITS, ids=[kind for kind, _, _ in WAITS])
def test_publish_other_tasks_go_on_while_the_peer_takes_its_time(
    client, platform, kind, endpoint, more
):
    platform.fault(endpoint=endpoint, kind=kind, times=1, **more)
    answer = client.publish(TOPIC, deadline_ms=60_000)
    assert "id" in answer
    assert answer["rounds"] >= 20  # about 100 where the machine has nothing else to do


@pytest.mark.parametrize(
    "kind,more",
    [("stall", {}), ("drip", {"interval_ms": 500}), ("drip_handshake", {"interval_ms": 500})],
    ids=["stall", "drip", "drip_handshake"],
)
def test_publish_deadline_holds_and_other_tasks_go_on(client, platform, kind, more):
    if kind == "drip_handshake":
        client.ask("close")
    platform.fault(endpoint="topic", kind=kind, times=None, **more)
    answer = client.publish(TOPIC, deadline_ms=2_000)
    assert answer["error"] == "DeadlineError"
    assert answer["rounds"] >= 20
    platform.clear_faults()
    assert "id" in client.publish(TOPIC)


@pytest.mark.parametrize(
    "kind,endpoint,more",
    [
        ("stall", "topic", {}),
        ("stall", "auth", {}),
        ("drip", "topic", {"interval_ms": 500}),
        ("drip_handshake", "topic", {"interval_ms": 500}),
    ],
    ids=["reply", "authentication", "middle of a reply", "handshake"],
)
def test_publish_cancelled_closes_and_the_next_works(client, platform, kind, endpoint, more):
    if endpoint == "auth":
        platform.expire_tokens(DEVICE)
    if kind == "drip_handshake":
        client.ask("close")
    platform.fault(endpoint=endpoint, kind=kind, times=None, **more)
    answer = client.publish(TOPIC, cancel_s=1, deadline_ms=60_000)
    assert answer["cancelled"], answer
    assert answer["connected"] is False
    platform.clear_faults()
    auths, _ = _requests(platform)
    assert len(client.publish(TOPIC, "after it")["id"]) == 19
    assert _texts(platform, 1) == ["after it"]
    # The token was kept, but where it was dead.
    assert _requests(platform)[0] == auths + (endpoint == "auth")
