"""Why a request was refused, in words that name the field, without what must not be seen."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.emulator import rules
from tools.emulator.masking import mask_body, mask_head, mask_reply, mask_text

SECRET = "0123456789abcdefFEDCBA9876543210"
FIELDS = {"clientId": "me", "deviceName": "sensor01", "productKey": "a1pk"}
CONTENT = "clientIdmedeviceNamesensor01productKeya1pk"


def signed(content=CONTENT, secret=SECRET, digest=hashlib.md5):
    return hmac.new(secret.encode(), content.encode(), digest).hexdigest()


def explain(sign, **more):
    auth = rules.read_auth(json.dumps(FIELDS | more | {"sign": sign}).encode())
    assert not rules.is_signed_by(auth, SECRET)
    words = rules.explain_signature(auth, SECRET)
    assert SECRET not in words
    assert sign not in words or len(sign) < 4
    return words


@pytest.mark.parametrize(
    ("sign", "more", "words"),
    [
        (signed(digest=hashlib.sha1), {}, "signmethod is missing, which means hmacmd5"),
        (signed(), {"signmethod": "hmacsha1"}, "signmethod says hmacsha1, but sign was made"),
        ("zz", {}, "sign is not hex"),
        ("ab" * 20, {}, "sign has 40 hex digits, hmacmd5 gives 32"),
        (signed("deviceNamesensor01productKeya1pkclientIdme"), {}, "check deviceSecret"),
        (signed("mesensor01a1pk"), {}, "the values without their names"),
        (
            signed("clientId=me&deviceName=sensor01&productKey=a1pk"),
            {},
            "fields set apart by = and &",
        ),
        (signed(), {"timestamp": "5"}, "the fields without timestamp"),
        (signed(CONTENT + "signmethodhmacmd5"), {"signmethod": "hmacmd5"}, "signmethod too"),
        (signed(CONTENT + "versiondefault"), {"version": "default"}, "version too"),
        (signed(secret=SECRET + "\n"), {}, "a line end after it"),
        (signed(secret=SECRET.lower()), {}, "another case"),
        (signed(secret="another secret"), {}, "check deviceSecret"),
    ],
)
def test_wrong_signature_is_explained_by_what_was_done_wrong(sign, more, words):
    assert words in explain(sign, **more)


def test_explanation_says_what_should_have_been_signed():
    assert f'hmacmd5(deviceSecret, "{CONTENT}")' in explain("0" * 32)
    assert "timestamp7" in explain("0" * 32, timestamp=7)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"productKey": ["x"]}', "'productKey' is neither text nor a number"),
        (b'{"productKey": "p", "deviceName": "d", "sign": "s"}', "clientId is missing"),
        (b'{"productKey": "", "deviceName": "d"}', "productKey is empty"),
        (
            json.dumps(FIELDS | {"sign": "s", "clientId": "x" * 65}).encode(),
            "clientId has 65 characters, at most 64",
        ),
        (
            json.dumps(FIELDS | {"sign": "s", "signmethod": "md5"}).encode(),
            "signmethod 'md5' is none of hmacmd5, hmacsha1",
        ),
        (
            json.dumps(FIELDS | {"sign": "s", "timestamp": "today"}).encode(),
            "timestamp 'today' is not Unix milliseconds",
        ),
    ],
)
def test_parameter_error_names_the_field(body, words):
    with pytest.raises(rules.ParameterFlaw, match=words):
        rules.read_auth(body)


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        (b"password:token12\r\n", b"password:*******\r\n"),
        (b"PassWord : token12\r\n", b"PassWord : " + b"*" * 7 + b"\r\n"),
        (b"Authorization: Bearer x\r\n", b"Authorization: ********\r\n"),
        (b"POST /topic/x?password=token12 HTTP/1.1\r\n", b"POST /topic/x?password=******* HT"),
        (b"X: " + b"aF" * 16 + b"\r\n", b"X: " + b"*" * 32 + b"\r\n"),
        (b"Host: localhost:8443\r\nContent-Length: 53\r\n", b"Host: localhost:8443\r\nContent"),
    ],
)
def test_head_is_shown_without_token(head, shown):
    assert shown in mask_head(head, ["token12"])
    assert b"token12" not in mask_head(head, ["token12"])


@pytest.mark.parametrize(
    "body",
    [
        b'{"sign":"SIGNED12","clientId":"me"}',
        b'{ "sign" : "SIGNED12" }',
        b'{"\\u0073ign":"\\u0053IGNED12"}',
        b'{"sign":"SIGNED12',
        b"sign=SIGNED12&x",
        b'{"sign":"\\u0053IGNED12", broken',
        b'{"deviceSecret":"hunter22"}',
    ],
)
def test_body_of_auth_is_shown_without_signature(body):
    masked = mask_body(body, ["SIGNED12"])
    assert b"IGNED12" not in masked
    assert b"hunter22" not in masked


@given(
    st.binary(max_size=60),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-_=", min_size=4, max_size=40),
    st.binary(max_size=60),
)
def test_secret_is_shown_nowhere_whatever_stands_around_it(before, secret, after):
    raw = secret.encode()
    data = before + raw + after
    for masked in (
        mask_head(data, [secret]),
        mask_body(data, [secret]),
        mask_reply(data, secret),
        mask_text(data.decode("latin-1"), [secret]).encode("latin-1"),
    ):
        assert raw not in masked
