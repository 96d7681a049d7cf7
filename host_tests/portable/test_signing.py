"""What is signed, and the /auth body, against the vectors of the page and docs/protocol.md."""

import json

from linkpost.protocol import signing
from linkpost.protocol.signing import choose_method, encode_auth_body, sign

# docs/protocol.md, "Signature": secret, content, md5, sha1.
VECTORS = (
    (
        "secret",
        "clientId12345deviceNamedeviceproductKeypktimestamp789",
        "14b198324fe55e1d3c88f2e705e201ee",
        "fafd82a3d602b37fb0fa8b7892f24a477f851a14",
    ),
    (
        "secret1",
        "clientIdpk1.dev1deviceNamedev1productKeypk1",
        "249b9dc1651bc5130784367dca2f3e5f",
        "acd5e33e214d5f8a62760304d7c28419605d6e59",
    ),
    (
        "89VTJylyMRFuy2T3sywQGbm5Hmk1****",
        "clientId127.0.0.1deviceNamehttp_testproductKeya1FHTWxQ****timestamp1567003778853",
        "fc48d767d3807c835de2efec1955b888",
        "d14e9665f9d786e366d490cd706cfddabd263e36",
    ),
)


class _Device:
    """What is asked of a config."""

    product_key = "pk1"
    device_name = "dev1"
    device_secret = "secret1"
    client_id = "pk1.dev1"
    sign_method = "hmacmd5"


def test_sign_vectors_match():
    for secret, content, md5, sha1 in VECTORS:
        assert sign("hmacmd5", secret, content).lower() == md5, content
        assert sign("hmacsha1", secret, content).lower() == sha1, content


def test_auth_body_of_the_vendors_page_but_for_its_timestamp_is_in_its_order():
    device = _Device()
    device.product_key = "ZG1EvTE****"
    device.device_name = "NlwaSPXsCpTQuh8FxBGH"
    device.client_id = "mylight1000002"
    device.sign_method = "hmacsha1"
    body = encode_auth_body(device)
    # The page's has 214 bytes with ,"timestamp":"1501668289957"
    assert len(body) == 214 - 28
    start = b'{"version":"default","clientId":"mylight1000002","signmethod":"hmacsha1","sign":"'
    assert body[: len(start)] == start
    end = b'","productKey":"ZG1EvTE****","deviceName":"NlwaSPXsCpTQuh8FxBGH"}'
    assert body[-len(end) :] == end


def test_auth_body_is_signed_without_a_timestamp():
    fields = json.loads(encode_auth_body(_Device()))
    assert "timestamp" not in fields
    assert fields["sign"] == "249B9DC1651BC5130784367DCA2F3E5F"
    assert fields["productKey"] == "pk1"


def test_auth_body_client_id_with_quotes_stays_json():
    client_id = 'a"b\\c'
    device = _Device()
    device.client_id = client_id
    fields = json.loads(encode_auth_body(device))
    assert fields["clientId"] == client_id
    signed = "clientId%sdeviceNamedev1productKeypk1" % client_id
    assert fields["sign"] == sign("hmacmd5", "secret1", signed)


class _OnlySHA1:
    """hashlib of a Pico W before MicroPython 1.27."""

    sha1 = None


class _Nothing:
    """hashlib of the webassembly build."""


def test_choose_method_auto_takes_the_first_native_digest():
    native = signing.hashlib
    try:
        for hashlib, expected in (
            (native, "hmacmd5" if hasattr(native, "md5") else "hmacsha1"),
            (_OnlySHA1, "hmacsha1"),
            (_Nothing, "hmacmd5"),
        ):
            signing.hashlib = hashlib
            assert choose_method("auto") == expected, hashlib
            assert choose_method("hmacsha1") == "hmacsha1"
    finally:
        signing.hashlib = native
