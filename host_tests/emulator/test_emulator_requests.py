"""Each request's answer: what real clients send is accepted, what breaks a rule is refused."""

from __future__ import annotations

import re
import time

import pytest
from emulator_client import (
    DEV1,
    OTHER,
    TOPIC,
    auth_fields,
    authenticate,
    encode_auth,
    encode_publish,
    encode_request,
    exchange,
    sign,
)

SIGNED = auth_fields(DEV1)
NOW_MS = time.time_ns() // 1_000_000


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
    message = emulator.messages()[-1]
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
    assert emulator.messages()[-1]["payload"] == b"{}\0"


def test_our_request_in_one_write_is_accepted(emulator, token):
    payload = bytes(range(53))
    request = (
        b"POST /topic%b HTTP/1.1\r\nHost: iot-as-http.cn-shanghai.aliyuncs.com\r\n"
        b"Content-Type: application/octet-stream\r\npassword: %b\r\nContent-Length: 53\r\n\r\n%b"
    ) % (TOPIC.encode(), token.encode(), payload)
    assert exchange(emulator, request).code == 0
    assert emulator.messages()[-1]["payload"] == payload


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
        # NOW_MS is when this file was read, and other files may run before it.
        (auth_fields(DEV1, timestamp=NOW_MS + 60 * 60_000), 20000),
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
    assert emulator.messages()[-1]["device"] == f"{OTHER[0]}/{OTHER[1]}"


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


@pytest.mark.parametrize("target", [b"/", b"/auths", b"/auth/register", b"/topic", b"*"])
def test_path_that_is_not_served_is_not_found(emulator, target):
    assert exchange(emulator, encode_request(target, {}, b"{}")).status == 404
