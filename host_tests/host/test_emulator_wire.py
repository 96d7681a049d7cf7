"""The emulator on the wire: what real clients send is accepted, what breaks a rule is refused."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import ssl
import time
import urllib.request

import pytest
from emulator_client import (
    RawClient,
    auth_fields,
    authenticate,
    client_context,
    encode_auth,
    encode_publish,
    encode_request,
    exchange,
    exchange_half_closed,
    sign,
)
from emulator_process import EmulatorProcess

from tools.emulator.tls_stream import TLSStream

DEV1 = ("pk1", "dev1", "secret1")  # the device of PROTOCOL.md's SDK requests
OTHER = ("a1B2c3D4e5F", "other.device@1:x-y", "0123456789abcdef0123456789abcdef")
TOPIC = "/pk1/dev1/user/update"


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess([DEV1, OTHER], ["--request-timeout", "2"]) as process:
        yield process


@pytest.fixture
def token(emulator):
    return authenticate(emulator, DEV1)


def newest_message(emulator):
    return emulator.messages()[-1]


def test_linksdk_requests_byte_by_byte_are_accepted(emulator):
    signature = sign(
        "secret1",
        {"clientId": "pk1.dev1", "deviceName": "dev1", "productKey": "pk1"},
        "sha256",
    ).upper()
    assert signature.startswith("FC3AB1")
    body = (
        b'{"clientId":"pk1.dev1","signmethod":"hmacsha256","deviceName":"dev1",'
        b'"productKey":"pk1","sign":"%b"}' % signature.encode()
    )
    head = (
        b"POST /auth?_v=sdk-c-4.1.0& HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    reply = exchange(emulator, head, body)
    assert reply.code == 0, reply.raw
    # The SDK copies what stands behind `"token":`, so there is no space behind the colon.
    found = re.search(rb'"token":"([0-9a-f]{32})"', reply.body)
    assert found, reply.raw
    payload = b'{"temperature":21}'
    head = (
        b"POST /topic%b HTTP/1.1\r\nHost: localhost\r\nPassword: %b\r\n"
        b"Content-Type: application/octet-stream\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n" % (TOPIC.encode(), found[1], len(payload))
    )
    reply = exchange(emulator, head, payload)
    assert reply.code == 0, reply.raw
    message = newest_message(emulator)
    assert message["id"] == reply.json["info"]["messageId"]
    assert message["payload"] == payload


def test_iotkit_requests_byte_by_byte_are_accepted(emulator):
    body = (
        b'{"version":"default", "clientId":"pk1.dev1","signmethod":"hmacsha1",'
        b'"sign":"acd5e33e214d5f8a62760304d7c28419605d6e59",'
        b'"productKey":"pk1","deviceName":"dev1"}'
    )
    head = (
        b"POST /auth HTTP/1.1\r\nHost: localhost\r\nConnection: Keep-Alive\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    reply = exchange(emulator, head, body)
    assert reply.code == 0, reply.raw
    token = reply.json["info"]["token"].encode()
    payload = b"{}\0"
    head = (
        b"POST /topic%b HTTP/1.1\r\nHost: localhost\r\nConnection: Keep-Alive\r\n"
        b"password:%b\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
    ) % (TOPIC.encode(), token, len(payload))
    reply = exchange(emulator, head, payload)
    assert reply.code == 0, reply.raw
    assert newest_message(emulator)["payload"] == b"{}\0"


def test_our_request_in_one_write_is_accepted(emulator, token):
    payload = bytes(range(53))
    request = (
        b"POST /topic%b HTTP/1.1\r\nHost: iot-as-http.cn-shanghai.aliyuncs.com\r\n"
        b"Content-Type: application/octet-stream\r\npassword: %b\r\nContent-Length: 53\r\n\r\n%b"
    ) % (TOPIC.encode(), token.encode(), payload)
    assert exchange(emulator, request).code == 0
    assert newest_message(emulator)["payload"] == payload


def test_request_one_byte_per_record_is_accepted(emulator, token):
    request = encode_publish(TOPIC, token, b"slow")
    reply = exchange(emulator, *(bytes((byte,)) for byte in request))
    assert reply.code == 0
    assert newest_message(emulator)["text"] == "slow"


def test_reply_has_the_recorded_status_line_and_headers(emulator, token):
    reply = exchange(emulator, encode_publish(TOPIC, token))
    assert reply.status_line == b"HTTP/1.1 200"
    assert list(reply.headers) == [
        "Date",
        "Content-Type",
        "Content-Length",
        "Connection",
        "Server",
        "EagleEye-TraceId",
        "Timing-Allow-Origin",
    ]
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Connection"] == "close"
    assert reply.headers["Server"] == "Tengine"
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    assert re.fullmatch(
        rb'\{"code":0,"info":\{"messageId":[1-9][0-9]{18}\},"message":"success"\}', reply.body
    )
    # LinkSDK's line buffer.
    assert max(map(len, reply.raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))) < 127


def test_refusal_has_the_recorded_form(emulator):
    reply = exchange(emulator, encode_publish(TOPIC, "0" * 32))
    assert reply.status == 200
    assert re.fullmatch(
        rb'\{"code":20003,"info":\{"messageId":[1-9][0-9]{18}\},"message":"check token error"\}',
        reply.body,
    )


SIGNED = auth_fields(DEV1)
NOW_MS = time.time_ns() // 1_000_000


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (SIGNED, 0),
        ({**SIGNED, "signmethod": "hmacmd5", "version": "default"}, 0),
        ({**SIGNED, "sign": SIGNED["sign"].upper()}, 0),
        (auth_fields(DEV1, "sha1", signmethod="hmacsha1"), 0),
        (auth_fields(DEV1, "sha256", signmethod="hmacsha256"), 0),
        (auth_fields(DEV1, timestamp=NOW_MS), 0),
        (auth_fields(DEV1, timestamp=str(NOW_MS)), 0),
        (auth_fields(DEV1, extra="signed too"), 0),
        (auth_fields(DEV1, clientId="x" * 64), 0),
        (auth_fields(OTHER), 0),
        (auth_fields(DEV1, clientId="x" * 65), 10001),
        (auth_fields(DEV1, "sha512", signmethod="hmacsha512"), 10001),
        ({k: v for k, v in SIGNED.items() if k != "sign"}, 10001),
        ({k: v for k, v in SIGNED.items() if k != "clientId"}, 10001),
        (b"not json", 10001),
        (b"", 10001),
        ({**SIGNED, "unsigned": "field"}, 20000),
        ({**SIGNED, "sign": "00"}, 20000),
        ({**SIGNED, "sign": "g" * 32}, 20000),
        ({**SIGNED, "signmethod": "hmacsha1"}, 20000),
        (auth_fields(("pk1", "dev1", "wrong")), 20000),
        (auth_fields(("pk1", "none", "secret1")), 20000),
        (auth_fields(DEV1, timestamp=NOW_MS - 16 * 60_000), 20000),
        (auth_fields(DEV1, timestamp=NOW_MS + 16 * 60_000), 20000),
    ],
)
def test_auth_fields_decide_the_code(emulator, fields, code):
    reply = exchange(emulator, encode_auth(fields))
    assert (reply.status, reply.code) == (200, code), reply.raw


@pytest.mark.parametrize(
    ("content_type", "code"),
    [(b"application/json; charset=utf-8", 0), (b"text/plain", 10001), (None, 10001)],
)
def test_auth_content_type_is_checked(emulator, content_type, code):
    assert exchange(emulator, encode_auth(SIGNED, content_type)).code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"topic": "/sys/pk1/dev1/thing/event/property/post"}, 0),
        ({"content_type": b"application/octet-stream; charset=utf-8"}, 0),
        ({"payload": b""}, 0),
        ({"payload": b"x" * 131072}, 0),
        ({"payload": b"x" * 131073}, 10001),
        ({"payload": b"x" * 700_000}, 10001),
        ({"content_type": b"application/json"}, 10001),
        ({"content_type": None}, 10001),
        ({"topic": TOPIC + "?a=b"}, 10001),
        ({"topic": TOPIC + "?"}, 10001),
        ({"token": None}, 20002),
        ({"token": ""}, 20002),
        ({"token": "0" * 32}, 20003),
        ({"token": "x" * 600}, 20003),
        ({"topic": "/pk1/dev2/user/update"}, 30001),
        ({"topic": f"/{OTHER[0]}/{OTHER[1]}/user/update"}, 30001),
        ({"topic": "/" + TOPIC}, 30001),
        ({"topic": "/"}, 30001),
    ],
)
def test_publish_request_decides_the_code(emulator, token, change, code):
    before = len(emulator.messages())
    arguments = {"topic": TOPIC, "token": token, "payload": b"{}", **change}
    reply = exchange(emulator, encode_publish(**arguments))
    assert (reply.status, reply.code, reply.ended) == (200, code, "goodbye"), reply
    assert len(emulator.messages()) == before + (code == 0)


def test_device_name_of_every_kind_of_character_publishes(emulator):
    topic = f"/{OTHER[0]}/{OTHER[1]}/user/update"
    reply = exchange(emulator, encode_publish(topic, authenticate(emulator, OTHER)))
    assert reply.code == 0
    assert newest_message(emulator)["device"] == f"{OTHER[0]}/{OTHER[1]}"


def test_expired_token_is_refused_and_a_new_one_is_good(emulator, token):
    assert emulator.expire_tokens("pk1/dev1") >= 1
    assert exchange(emulator, encode_publish(TOPIC, token)).code == 20001
    assert exchange(emulator, encode_publish(TOPIC, authenticate(emulator, DEV1))).code == 0


def test_disabled_device_is_refused_until_it_is_enabled(emulator, token):
    emulator.set_enabled("pk1/dev1", False)
    try:
        assert exchange(emulator, encode_publish(TOPIC, token)).code == 20003
        assert exchange(emulator, encode_auth(SIGNED)).code == 20000
        assert emulator.devices()["pk1/dev1"]["enabled"] is False
    finally:
        emulator.set_enabled("pk1/dev1", True)
    assert exchange(emulator, encode_publish(TOPIC, token)).code == 0


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE", b"HEAD", b"post"])
@pytest.mark.parametrize("target", [b"/auth", b"/topic" + TOPIC.encode()])
def test_method_other_than_post_is_refused(emulator, method, target):
    reply = exchange(emulator, encode_request(target, {}, b"", method))
    assert reply.status_line == b"HTTP/1.1 405"
    assert reply.headers["Allow"] == "POST"


@pytest.mark.parametrize("target", [b"/", b"/auths", b"/auth/register/device", b"/topic", b"*"])
def test_path_that_is_not_served_is_not_found(emulator, target):
    assert exchange(emulator, encode_request(target, {}, b"{}")).status == 404


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\nnonsense\r\n\r\n",
        b"POST /auth HTTP/1.1\r\n\r\n",  # no Host
        b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n",
        b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /auth HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",
        bytes(range(256)) * 4,
    ],
)
def test_bytes_that_are_not_http_get_a_4xx_and_a_close(emulator, request_bytes):
    reply = exchange(emulator, request_bytes)
    assert 400 <= reply.status < 500
    assert reply.body == b""


def cut(request: bytes, stated: bytes) -> bytes:
    return re.sub(rb"Content-Length: \d+", b"Content-Length: " + stated, request)


def test_content_length_below_the_body_fails_authentication(emulator):
    request = encode_auth(SIGNED)
    length = len(request.partition(b"\r\n\r\n")[2])
    assert exchange(emulator, cut(request, b"%d" % (length - 1))).code == 10001


@pytest.mark.parametrize("goodbye", [True, False])
def test_content_length_above_the_body_fails_authentication_at_the_end(emulator, goodbye):
    reply = exchange_half_closed(emulator, cut(encode_auth(SIGNED), b"500"), goodbye=goodbye)
    assert reply.code == 10001


def test_content_length_above_the_body_of_a_waiting_peer_times_out(emulator):
    begin = time.monotonic()
    reply = exchange(emulator, cut(encode_auth(SIGNED), b"500"))
    assert reply.status == 408
    assert time.monotonic() - begin < 15


def test_slow_head_is_bounded(emulator):
    begin = time.monotonic()
    with RawClient(emulator) as client:
        client.send(b"POST /auth HTTP/1.1\r\n")
        assert client.read_to_end().status == 408
    assert time.monotonic() - begin < 15


def test_silent_peer_in_the_handshake_is_dropped(emulator):
    failed = emulator.totals()["handshakes_failed"]
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=15) as raw:
        assert raw.recv(1) == b""
    assert emulator.totals()["handshakes_failed"] == failed + 1


def test_peer_that_does_not_read_is_dropped():
    async def run():
        dropped = asyncio.Event()

        async def serve(reader, writer):
            writer.write(bytes(32 * 1024 * 1024))  # more than the system takes
            await TLSStream(reader, writer, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)).drop()
            dropped.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            async with asyncio.timeout(20):
                await dropped.wait()
        server.close()

    asyncio.run(run())


def test_plain_http_on_the_tls_port_fails_cleanly(emulator):
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=15) as raw:
        raw.sendall(b"POST /auth HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        answer = raw.recv(1000)
    assert not answer.startswith(b"HTTP")
    assert exchange(emulator, encode_auth(SIGNED)).code == 0


def test_http_1_0_needs_a_content_length(emulator):
    request = encode_auth(SIGNED).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    assert exchange(emulator, request).code == 0
    without = re.sub(rb"Content-Length: \d+\r\n", b"", request)
    assert exchange(emulator, without).code == 10001


def test_http_1_1_without_any_length_is_refused(emulator, token):
    request = encode_publish(TOPIC, token)
    without = re.sub(rb"Content-Length: \d+\r\n", b"", request)
    assert exchange(emulator, without).code == 10001


def test_chunked_request_is_decoded_and_bounded(emulator, token):
    head, _, _ = encode_publish(TOPIC, token).partition(b"\r\n\r\n")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head) + b"\r\n\r\n"
    assert exchange(emulator, head, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n").code == 0
    assert newest_message(emulator)["text"] == "abcde"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert exchange(emulator, head, *([chunk] * 5), b"0\r\n\r\n").code == 10001


def test_expect_100_continue_is_answered_before_the_body(emulator, token):
    request = encode_publish(TOPIC, token, b"later", expect=b"100-continue")
    head, _, body = request.partition(b"\r\n\r\n")
    with RawClient(emulator) as client:
        client.send(head + b"\r\n\r\n")
        assert client.tls.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(*(bytes((byte,)) for byte in body))
        reply = client.read_to_end()
    assert reply.code == 0
    assert b"100 Continue" not in reply.raw


def test_expect_100_continue_is_answered_once(emulator, token):
    request = encode_publish(TOPIC, token, b"", expect=b"100-continue")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", request)
    with RawClient(emulator) as client:
        client.send(head)
        assert client.tls.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"5", b"\r\nlater\r\n", b"0\r\n\r\n")
        assert client.read_to_end().raw.startswith(b"HTTP/1.1 200\r\n")


def test_connection_is_closed_after_each_reply_by_default(emulator, token):
    request = encode_publish(TOPIC, token, connection=b"Keep-Alive")
    with RawClient(emulator) as client:
        client.send(request, request)
        assert client.read_to_end().raw.count(b"HTTP/1.1") == 1


def test_connection_is_kept_where_chosen_unless_the_client_closes(emulator, token):
    emulator.keep_alive(True)
    try:
        with RawClient(emulator) as client:
            for part in (b"1", b"2"):
                client.send(encode_publish(TOPIC, token, part))
                reply = client.read_reply()
                assert (reply.code, reply.headers["Connection"]) == (0, "keep-alive")
            # Two at once, and then a wish to close.
            client.send(encode_publish(TOPIC, token) + encode_publish(TOPIC, token))
            client.send(encode_publish(TOPIC, token, connection=b"close"))
            assert client.read_to_end().raw.count(b'"code":0') == 3
    finally:
        emulator.keep_alive(False)


def test_kept_connection_with_bytes_after_the_body_is_ended(emulator, token):
    emulator.keep_alive(True)
    try:
        raw = exchange(emulator, encode_publish(TOPIC, token) + b"\0\0more\r\n\r\n").raw
    finally:
        emulator.keep_alive(False)
    assert raw.count(b"HTTP/1.1 200") == 1
    assert raw.count(b"HTTP/1.1 400") == 1


def test_counters_tell_what_each_device_did(emulator):
    before = emulator.devices()["pk1/dev1"]
    token = authenticate(emulator, DEV1)
    exchange(emulator, encode_publish(TOPIC, token))
    exchange(emulator, encode_publish("/pk1/dev2/x", token))
    exchange(emulator, encode_publish(TOPIC, "0" * 32))  # named by the topic
    exchange(emulator, encode_auth(auth_fields(("pk1", "dev1", "wrong"))))
    after = emulator.devices()["pk1/dev1"]

    def grown(*path):
        old, new = before, after
        for name in path:
            old = old.get(name, 0) if isinstance(old, dict) else old
            new = new[name]
        return new - (old or 0)

    assert grown("authentications") == 1
    assert grown("accepted") == 1
    assert (grown("requests", "auth"), grown("requests", "topic")) == (2, 3)
    assert [grown("refusals", code) for code in (30001, 20003, 20000)] == [1, 1, 1]
    assert after["online"]
    assert after["last_seen_ms"] >= before["last_seen_ms"]


def test_messages_api_pages_filters_and_shows_bytes(emulator, token):
    ids = [
        exchange(emulator, encode_publish(TOPIC, token, payload)).json["info"]["messageId"]
        for payload in (b"a", b"\xff\x00", "é".encode())
    ]
    page = emulator.api("GET", "/api/messages", query={"after": ids[0], "device": "pk1/dev1"})
    assert [message["id"] for message in page] == ids[1:]
    assert [message["text"] for message in page] == [None, "é"]
    assert base64.b64decode(page[0]["payload_b64"]) == b"\xff\x00"
    assert set(page[0]) == {"id", "device", "topic", "time_ms", "payload_b64", "text"}
    assert abs(page[0]["time_ms"] - time.time_ns() // 1_000_000) < 60_000
    first = emulator.api("GET", "/api/messages", query={"limit": 1, "after": ids[0]})
    assert [message["id"] for message in first] == ids[1:2]
    assert emulator.api("GET", "/api/messages", query={"topic": "/none"}) == []
    with pytest.raises(AssertionError, match="404"):
        emulator.messages("pk1/none")


def test_console_shows_index_and_api_description(emulator):
    for path, text in (("/", "/api/devices"), ("/openapi.json", "close_middle"), ("/docs", "")):
        with urllib.request.urlopen(emulator.console + path, timeout=15) as reply:  # noqa: S310
            assert text in reply.read().decode()


def test_secrets_are_in_no_log_and_no_api(emulator, token):
    exchange(emulator, encode_publish(TOPIC + "?password=" + token, token))
    shown = emulator.log + emulator.output + json.dumps(emulator.api("GET", "/api/devices"))
    with urllib.request.urlopen(emulator.console, timeout=15) as reply:  # noqa: S310
        shown += reply.read().decode()
    assert "pk1/dev1" in shown
    for secret in (DEV1[2], OTHER[2], token):
        assert secret not in shown


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(emulator):
    context = client_context(emulator)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        RawClient(emulator, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_accepted(emulator, version):
    context = client_context(emulator, minimum_version=version, maximum_version=version)
    assert exchange(emulator, encode_auth(SIGNED), context=context).code == 0


def test_static_rsa_is_refused_where_it_was_not_chosen(emulator):
    context = client_context(emulator, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA:AES256-SHA:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        RawClient(emulator, context)
