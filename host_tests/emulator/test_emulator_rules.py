"""The emulator's decisions, without a socket. Sources: the vendor's page, docs/protocol.md."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.client.devices_csv import Triple
from tools.emulator import rules
from tools.emulator.platform import Platform, Policy
from tools.emulator.queries import Queries
from tools.emulator.request import Request
from tools.emulator.store import Store

NOW_MS = 1_800_000_000_000
SENSOR = Triple("a1pk", "sensor01", "secret")
TOPIC = "/a1pk/sensor01/user/update"

# docs/protocol.md, "Signature": secret, fields, hmacmd5, hmacsha1.
VECTORS = [
    (
        "secret",
        {"clientId": "12345", "deviceName": "device", "productKey": "pk", "timestamp": "789"},
        "14b198324fe55e1d3c88f2e705e201ee",
        "fafd82a3d602b37fb0fa8b7892f24a477f851a14",
    ),
    (
        "secret1",
        {"clientId": "pk1.dev1", "deviceName": "dev1", "productKey": "pk1"},
        "249b9dc1651bc5130784367dca2f3e5f",
        "acd5e33e214d5f8a62760304d7c28419605d6e59",
    ),
    (
        "89VTJylyMRFuy2T3sywQGbm5Hmk1****",
        {
            "clientId": "127.0.0.1",
            "deviceName": "http_test",
            "productKey": "a1FHTWxQ****",
            "timestamp": "1567003778853",
        },
        "fc48d767d3807c835de2efec1955b888",
        "d14e9665f9d786e366d490cd706cfddabd263e36",
    ),
]


@pytest.mark.parametrize(("secret", "fields", "md5", "sha1"), VECTORS)
def test_signature_vectors_are_accepted(secret, fields, md5, sha1):
    for extra in (
        {"sign": md5},
        {"sign": md5.upper(), "signmethod": "hmacmd5", "version": "default"},
        {"sign": sha1, "signmethod": "hmacsha1"},
        {"sign": sha1.upper(), "signmethod": "hmacsha1"},
    ):
        auth = rules.parse_auth(json.dumps(fields | extra).encode())
        assert auth is not None
        assert rules.is_signed_by(auth, secret), extra
        assert not rules.is_signed_by(auth, secret + "x"), extra


def test_signature_with_timestamp_as_number_covers_its_digits():
    secret, fields, md5, _ = VECTORS[0]
    body = json.dumps(fields | {"sign": md5}).replace('"789"', "789")
    auth = rules.parse_auth(body.encode())
    assert auth is not None
    assert auth.timestamp_ms == 789
    assert rules.is_signed_by(auth, secret)


def test_signature_of_another_method_is_refused():
    secret, fields, md5, sha1 = VECTORS[1]
    for method, sign in (("hmacsha1", md5), ("hmacmd5", sha1), ("hmacsha256", sha1)):
        auth = rules.parse_auth(json.dumps(fields | {"sign": sign, "signmethod": method}).encode())
        assert auth is not None
        assert not rules.is_signed_by(auth, secret)


GOOD = {"clientId": "c", "productKey": "p", "deviceName": "d", "sign": "00"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"clientId":"\\ud800","productKey":"p","deviceName":"d","sign":"0"}',
        *(
            json.dumps({k: v for k, v in GOOD.items() if k != missing}).encode()
            for missing in GOOD
        ),
        *(
            json.dumps(GOOD | change).encode()
            for change in (
                {"clientId": ""},
                {"clientId": "x" * 65},
                {"clientId": None},
                {"productKey": ["p"]},
                {"signmethod": "hmacsha512"},
                {"signmethod": ""},
                {"timestamp": "soon"},
                {"timestamp": -1},
                {"timestamp": 1.5},
                {"timestamp": float("nan")},
                {"timestamp": "9" * 30},
                {"version": True},
            )
        ),
    ],
)
def test_auth_body_that_breaks_a_rule_is_a_parameter_error(body):
    assert rules.parse_auth(body) is None


def test_client_id_of_64_characters_is_accepted():
    assert rules.parse_auth(json.dumps(GOOD | {"clientId": "x" * 64}).encode())


@given(st.binary() | st.text().map(lambda text: json.dumps(GOOD | {"sign": text}).encode()))
def test_auth_body_of_any_bytes_ends_in_fields_or_none(body):
    auth = rules.parse_auth(body)
    if auth is not None:
        rules.is_signed_by(auth, "secret")


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "signmethod", "timestamp", "version", "x"]),
        st.text() | st.integers() | st.floats() | st.none(),
    )
)
def test_auth_fields_of_any_value_end_in_fields_or_none(fields):
    auth = rules.parse_auth(json.dumps(GOOD | fields).encode())
    if auth is not None:
        assert not rules.is_signed_by(auth, "secret")


@pytest.mark.parametrize(
    ("sent", "fresh"),
    [
        (None, True),
        (NOW_MS, True),
        (NOW_MS - 15 * 60_000, True),
        (NOW_MS - 15 * 60_000 - 1, False),
        (NOW_MS + 15 * 60_000 + 1, False),
        (0, False),
    ],
)
def test_timestamp_counts_for_fifteen_minutes(sent, fresh):
    assert rules.is_fresh(sent, NOW_MS) is fresh


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        ("/pk/dev1/user/update", True),
        ("/pk/dev1/pub", True),
        ("/sys/pk/dev1/thing/event/property/post", True),
        ("/sys/pk/dev1/thing/model/up_raw", True),
        ("/sys/pk/dev1/thing/event/alarm/post", True),
        ("/sys/pk/dev1/thing/deviceinfo/update", True),
        ("/sys/pk/dev1/thing/config/get", True),
        ("/ota/device/inform/pk/dev1", True),
        ("/ota/device/progress/pk/dev1", True),
        ("/ota/device/request/pk/dev1", True),
        ("/shadow/update/pk/dev1", True),
        ("/sys/pk/dev1/thing/event/property/pack/post", False),
        ("/sys/pk/dev1/thing/event/property/post_reply", False),
        ("/ota/device/upgrade/pk/dev1", False),
        ("/ota/device/inform/pk/dev2", False),
        ("/ota/device/inform/pk/dev1/x", False),
        ("/shadow/get/pk/dev1", False),
        ("/sys/pk/dev1/thing/service/property/set", False),
        ("/sys/pk/dev1/thing/model/down_raw", False),
        ("/broadcast/pk/dev1", False),
        ("/ext/ntp/pk/dev1/request", False),
        ("/pk/dev1", False),
        ("/pk/dev1/", False),
        ("/pk/dev2/user/update", False),
        ("/px/dev1/user/update", False),
        ("/sys/pk/dev2/thing/event/property/post", False),
        ("/sys/pk/dev1/rrpc", False),
        ("//pk/dev1/user/update", False),
        ("/pk/dev1/user/#", False),
        ("/pk/dev1/+/update", False),
        ("/pk/dev1/user/a b", False),
        ("/", False),
        ("", False),
        ("/pk/dev1/" + "x" * 119, True),
        ("/pk/dev1/" + "x" * 120, False),
    ],
)
def test_topic_of_a_device_is_its_own_and_plain(topic, allowed):
    assert rules.may_publish(topic, "pk", "dev1") is allowed


@pytest.mark.parametrize(
    ("topic", "device"),
    [
        ("/pk/dev1/user/update", ("pk", "dev1")),
        ("/sys/pk/dev1/thing/x", ("pk", "dev1")),
        ("/ota/device/inform/pk/dev1", ("pk", "dev1")),
        ("/shadow/update/pk/dev1", ("pk", "dev1")),
        ("/ota/device/inform", None),
        ("/pk", None),
        ("", None),
    ],
)
def test_device_that_a_topic_names(topic, device):
    assert rules.topic_device(topic) == device


def test_each_system_topic_has_its_source_in_the_document():
    text = (Path(__file__).parent.parent.parent / "docs" / "protocol.md").read_text()
    table = text.partition("## Topics")[2].partition("\n## ")[0]
    for topic in rules.DEFAULT_TOPICS:
        rows = [line for line in table.splitlines() if f"`{topic}`" in line]
        assert len(rows) == 1 and rows[0].count("|") == 4, topic
        assert rows[0].split("|")[3].strip(), topic


def test_topic_patterns_given_replace_the_default():
    patterns = ("/{product_key}/{device_name}/user/+/up", "/all/#")
    for topic, allowed in (
        ("/pk/dev1/user/x/up", True),
        ("/pk/dev1/user/x/down", False),
        ("/pk/dev1/user/up", False),
        ("/all/a/b", True),
        ("/all", False),
    ):
        assert rules.may_publish(topic, "pk", "dev1", patterns) is allowed, topic


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/json;charset=UTF-8", True),
        ("text/json", False),
        ("application/jsonx", False),
        ("", False),
        (None, False),
    ],
)
def test_content_type_with_or_without_parameter(header, accepted):
    assert rules.has_type(header, rules.AUTH_TYPE) is accepted


class Clock:
    def __init__(self):
        self.ms = NOW_MS

    def now_ms(self) -> int:
        return self.ms

    def now_s(self) -> float:
        return self.ms / 1000


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(tmp_path, clock):
    """A platform with a fake clock; call it with a Policy's fields."""
    stores = []

    def make_platform(**policy):
        store = Store(tmp_path / f"{len(stores)}.db")
        stores.append(store)
        platform = Platform(store, Policy(**policy), clock.now_ms, clock.now_s)
        platform.start([SENSOR])
        return platform

    yield make_platform
    for store in stores:
        store.close()


def ask(platform, request):
    return platform.answer(request, platform.identify(request))


def auth_request(**more):
    fields = {"clientId": "c", "productKey": "a1pk", "deviceName": "sensor01", **more}

    content = rules.encode_content({k: str(v) for k, v in fields.items()})
    fields["sign"] = hmac.new(b"secret", content, hashlib.md5).hexdigest()
    body = json.dumps(fields).encode()
    return Request("POST", "/auth", {"content-type": "application/json"}, body)


def publish_request(token, topic=TOPIC, body=b"x"):
    headers = {"content-type": "application/octet-stream", "password": token}
    return Request("POST", "/topic" + topic, headers, body)


def token_of(platform):
    return ask(platform, auth_request()).info["token"]


def test_token_expires_after_its_time(make, clock):
    platform = make(token_ttl_s=10)
    token = token_of(platform)
    clock.ms += 9_999
    assert ask(platform, publish_request(token)).code == 0
    clock.ms += 1
    assert ask(platform, publish_request(token)).code == rules.TOKEN_EXPIRED


def test_token_by_default_lives_seven_days(make, clock):
    platform = make()
    token = token_of(platform)
    clock.ms += 7 * 24 * 3600 * 1000 - 1
    assert ask(platform, publish_request(token)).code == 0
    clock.ms += 1
    assert ask(platform, publish_request(token)).code == rules.TOKEN_EXPIRED


def test_token_expired_long_ago_is_not_recognised_after_a_restart(make, clock):
    platform = make()
    token = token_of(platform)
    clock.ms += 38 * 24 * 3600 * 1000
    platform.start([])
    assert ask(platform, publish_request(token)).code == rules.TOKEN_UNKNOWN


def test_new_token_voids_none_by_default(make):
    platform = make()
    first, second = token_of(platform), token_of(platform)
    assert first != second
    assert ask(platform, publish_request(first)).code == 0
    assert ask(platform, publish_request(second)).code == 0


def test_new_token_voids_the_old_one_where_chosen(make):
    platform = make(void_old_tokens=True)
    first, second = token_of(platform), token_of(platform)
    assert ask(platform, publish_request(first)).code == rules.TOKEN_UNKNOWN
    assert ask(platform, publish_request(second)).code == 0


def test_timestamp_outside_its_window_fails_authentication(make):
    platform = make()
    assert ask(platform, auth_request(timestamp=NOW_MS)).code == 0
    assert ask(platform, auth_request(timestamp=str(NOW_MS - 899_000))).code == 0
    assert ask(platform, auth_request(timestamp=NOW_MS - 901_000)).code == rules.AUTH_FAILED
    assert ask(platform, auth_request(timestamp=NOW_MS + 10**9)).code == rules.AUTH_FAILED


def test_requests_above_the_rate_are_throttled_until_time_passes(make, clock):
    platform = make(requests_per_s=2)
    token = token_of(platform)
    codes = [ask(platform, publish_request(token)).code for _ in range(3)]
    assert codes == [0, rules.THROTTLED, rules.THROTTLED]
    clock.ms += 500
    assert ask(platform, publish_request(token)).code == 0
    assert ask(platform, auth_request()).code == rules.THROTTLED


def test_message_ids_grow_even_where_the_clock_goes_back(make, clock):
    platform = make()
    token = token_of(platform)
    ids = []
    for step in (0, 0, -60_000, -60_000, 120_000):
        clock.ms += step
        ids.append(ask(platform, publish_request(token)).info["messageId"])
    assert ids == sorted(set(ids))
    assert {len(str(message_id)) for message_id in ids} == {19}


def test_tokens_are_kept_as_hashes_only(make, tmp_path):
    platform = make()
    token = token_of(platform)
    platform._store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"sensor01" in content
    assert token.encode() not in content


def test_messages_page_ends_by_count_or_by_bytes_and_goes_on_behind(make, tmp_path):
    platform = make()
    token = token_of(platform)
    for number in range(7):
        ask(platform, publish_request(token, body=b"%d" % number * 100))
    seen, after = [], 0
    queries = Queries(tmp_path / "0.db")
    while page := queries.messages_after(after, limit=3, limit_bytes=150):
        assert len(page) == 2  # the second passes 150 bytes
        seen += [message.payload[:1] for message in page]
        after = page[-1].id
        if len(seen) == 6:
            break
    assert seen == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert [m.payload[:1] for m in queries.messages_after(after, limit_bytes=1)] == [b"6"]
    assert len(queries.messages_after(0, limit=3)) == 3
    queries.close()


@given(body=st.binary(max_size=64), target=st.text(max_size=40), password=st.text(max_size=40))
def test_request_of_any_content_is_answered(body, target, password, shared_platform):
    for endpoint in ("/auth", "/topic/", "/topic/a1pk/sensor01/", ""):
        for content_type in ("application/json", "application/octet-stream"):
            headers = {"content-type": content_type, "password": password}
            request = Request("POST", endpoint + target, headers, body)
            answer = ask(shared_platform, request)
            assert answer.status in (200, 404)


@pytest.fixture(scope="module")
def shared_platform(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store") / "emulator.db")
    platform = Platform(store, Policy())
    platform.start([SENSOR])
    yield platform
    store.close()
