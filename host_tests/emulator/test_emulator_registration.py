"""The emulator's `POST /auth/register/device`: what it decides, what it gives out, what it keeps.

Sources of the codes: docs/protocol.md, "Registration".
"""

import sqlite3
import urllib.parse

import pytest
from emulator_client import auth_fields, authenticate, encode_auth, encode_request, exchange
from emulator_process import EmulatorProcess
from registration_client import (
    METHODS,
    PRODUCT,
    PRODUCT_SECRET,
    TYPE,
    form,
    register,
    triple_of,
)

NAMES = iter(f"bench-{number:03}" for number in range(1000))


@pytest.fixture(scope="module")
def emulator():
    options = ("--product", f"{PRODUCT},{PRODUCT_SECRET}")
    with EmulatorProcess((), options) as process:
        yield process


@pytest.fixture
def name(emulator):
    """A device that was made beforehand, new for each test."""
    new = next(NAMES)
    assert emulator.add_names(PRODUCT, [new]) == 1
    return new


@pytest.mark.parametrize("method", METHODS)
def test_registration_gives_a_secret_that_authenticates(emulator, name, method):
    reply = register(emulator, form(name, method=method))
    assert (reply.status, reply.code, reply.json["message"]) == (200, 200, "success")
    assert list(reply.json) == ["code", "data", "message"]
    triple = triple_of(reply)
    assert triple[:2] == (PRODUCT, name)
    assert len(triple[2]) == 32
    assert emulator.devices()[f"{PRODUCT}/{name}"]["state"] == "inactive"
    assert authenticate(emulator, triple)
    assert emulator.devices()[f"{PRODUCT}/{name}"]["state"] == "online"


# What iotkit-embedded 3.0.1 (src/dynamic_register/dynreg.c) put on the wire, read from a TLS
# connection of it in two records: the product's secret was PRODUCT_SECRET, the host localhost.
# The random is the same in every request of that client; the sign is in capitals.
VENDORS_HEAD = (
    b"POST /auth/register/device HTTP/1.1\r\nHost: localhost\r\n"
    b"Accept: text/xml,text/javascript,text/html,application/json\r\n"
    b"Content-Length: 158\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
)
VENDORS_BODY = (
    b"productKey=a1B2c3D4e5F&deviceName=judge-001&random=8Ygb7ULYh53B6OA&sign="
    b"C9407E3780EFB7CD5DF795BAE4ECFD094543472F1475BBED3526364D4A0B832D&signMethod=hmacsha256"
)


@pytest.mark.parametrize(
    "parts",
    [(VENDORS_HEAD, VENDORS_BODY), (VENDORS_HEAD + VENDORS_BODY,)],
    ids=["as it writes", "in one"],
)
def test_vendors_clients_bytes_get_a_secret_that_its_parser_can_read(emulator, parts):
    emulator.add_names(PRODUCT, ["judge-001"])
    reply = exchange(emulator, *parts)
    assert triple_of(reply)[:2] == (PRODUCT, "judge-001")
    # It has 256 bytes for the body, and takes a colon right behind each name.
    assert len(reply.body) < 256
    assert reply.body.startswith(b'{"code":200,"data":{')


def test_device_may_be_asked_for_again_until_it_has_authenticated(emulator, name):
    first = triple_of(register(emulator, form(name)))
    second = triple_of(register(emulator, form(name)))
    assert first[2] != second[2]
    assert exchange(emulator, encode_auth(auth_fields(first))).code == 20000
    token = authenticate(emulator, second)
    refused = register(emulator, form(name))
    assert refused.code == 6289
    assert "data" not in refused.json
    emulator.api("POST", f"/api/devices/{PRODUCT}/{name}/reset")
    assert emulator.devices()[f"{PRODUCT}/{name}"]["state"] == "inactive"
    third = triple_of(register(emulator, form(name)))
    assert third[2] != second[2]
    # What the old secret had got is void with it.
    assert exchange(emulator, encode_auth(auth_fields(second))).code == 20000
    topic = f"/topic/{PRODUCT}/{name}/user/update".encode()
    headers = {b"Content-Type": b"application/octet-stream", b"password": token.encode()}
    assert exchange(emulator, encode_request(topic, headers, b"x")).code == 20003


def test_switch_of_the_product_refuses_and_lets_in_again(emulator, name):
    path = f"/api/products/{PRODUCT}"
    emulator.api("PUT", path, {"registration": False})
    try:
        assert register(emulator, form(name)).code == 6288
        # Who has not the product's secret does not learn of the switch.
        assert register(emulator, form(name, "wrong")).code == 6600
    finally:
        emulator.api("PUT", path, {"registration": True})
    assert register(emulator, form(name)).code == 200


def test_disabled_device_is_refused(emulator, name):
    emulator.set_enabled(f"{PRODUCT}/{name}", False)
    assert register(emulator, form(name)).code == 6204


REFUSED = {
    "a product without a secret here": (lambda n: form(n, product="a1other"), 6250),
    "a wrong product secret": (lambda n: form(n, "wrong"), 6600),
    "a name that was not made": (lambda n: form("never-made"), 6100),
    "another method than said": (lambda n: form(n, signMethod="hmacmd5"), 6600),
    "no such method": (lambda n: form(n, signMethod="md5"), 460),
    "an empty sign": (lambda n: form(n, sign=""), 460),
    "no random": (lambda n: {k: v for k, v in form(n).items() if k != "random"}, 460),
    "a field twice": (lambda n: urllib.parse.urlencode(form(n)).encode() + b"&sign=0", 460),
    "JSON": (lambda n: b'{"productKey":"a1B2c3D4e5F"}', 460),
    "nothing": (lambda n: b"", 460),
    "bytes that are no text": (lambda n: b"productKey=%ff&deviceName=\xff", 460),
    "a name in another alphabet": (lambda n: form("Küche-01"), 460),
    "a very long name": (lambda n: form("n" * 200), 460),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_without_a_secret(emulator, name, case):
    fields, code = REFUSED[case]
    reply = register(emulator, fields(name))
    assert (reply.status, reply.code) == (200, code)
    assert "data" not in reply.json


def test_form_in_another_content_type_is_refused(emulator, name):
    assert register(emulator, form(name), b"application/json").code == 460
    assert register(emulator, form(name), TYPE + b"; charset=utf-8").code == 200


def test_other_method_than_post_is_not_allowed(emulator):
    request = encode_request(b"/auth/register/device", {}, b"", method=b"GET")
    assert exchange(emulator, request).status == 405


def test_fault_answers_for_the_endpoint_and_gives_nothing_out(emulator, name):
    emulator.fault(endpoint="register", kind="code", code=429, times=1)
    throttled = register(emulator, form(name))
    assert throttled.json == {"code": 429, "message": "too many requests"}
    assert register(emulator, form(name)).code == 200


def test_rate_is_limited_per_product(name):
    options = ("--product", f"{PRODUCT},{PRODUCT_SECRET}", "--rate-limit", 1)
    with EmulatorProcess((), options) as limited:
        limited.add_names(PRODUCT, [name])
        codes = [register(limited, form(name)).code for _ in range(4)]
        assert codes[0] == 200
        assert 429 in codes


def test_nothing_secret_is_kept_in_the_history(emulator, name):
    fields = form(name)
    secret = triple_of(register(emulator, fields))[2]
    # With the secrets in all places where they do not belong.
    register(emulator, form(name, random=PRODUCT_SECRET, signMethod="hmacmd5", more=secret))
    register(emulator, {**form(name), "deviceSecret": secret})
    with sqlite3.connect(emulator.db) as db:
        rows = db.execute("SELECT * FROM wire").fetchall()
        rows += db.execute("SELECT * FROM authentication").fetchall()
    kept = repr(rows) + emulator.log + emulator.output
    assert "register/device" in kept
    for one in (secret, PRODUCT_SECRET, fields["sign"], urllib.parse.quote(secret)):
        assert one not in kept


def test_products_and_names_over_the_api(emulator, name):
    made = emulator.api("POST", "/api/products", {"product_key": "a1more"})
    assert len(made["product_secret"]) == 32
    views = {view["product_key"]: view for view in emulator.api("GET", "/api/products")}
    assert views["a1more"] == {
        "product_key": "a1more", "registration": True, "devices": 0, "activated": 0,
    }  # fmt: skip
    assert "product_secret" not in views[PRODUCT]
    with pytest.raises(AssertionError, match="409"):
        emulator.api("POST", "/api/products", {"product_key": "a1more"})
    for wrong in ({"product_key": "no good"}, {"product_key": "a1x", "product_secret": "a b"}):
        with pytest.raises(AssertionError, match="422"):
            emulator.api("POST", "/api/products", wrong)
    assert emulator.add_names("a1more", ["one1", "two2", name]) == 3
    assert emulator.add_names("a1more", ["one1", "more"]) == 1
    before = len(emulator.devices())
    with pytest.raises(AssertionError, match="422"):
        emulator.add_names("a1more", ["good", "bad name"])
    assert len(emulator.devices()) == before
    with pytest.raises(AssertionError, match="404"):
        emulator.add_names("a1nobody", ["good"])
    with pytest.raises(AssertionError, match="404"):
        emulator.api("PUT", "/api/products/a1nobody", {"registration": True})
    with pytest.raises(AssertionError, match="404"):
        emulator.api("POST", f"/api/devices/{PRODUCT}/nobody/reset")


def test_products_outlive_a_restart(name):
    options = ("--product", f"{PRODUCT},{PRODUCT_SECRET}")
    with EmulatorProcess((), options) as process:
        process.add_names(PRODUCT, [name])
        triple = triple_of(register(process, form(name)))
        authenticate(process, triple)
        process.kill()
        process.options = []
        process.start()
        assert register(process, form(name)).code == 6289
        assert authenticate(process, triple)


def test_names_of_a_file_are_made_once_and_keep_their_secrets(tmp_path):
    names = tmp_path / "names.csv"
    names.write_text("DeviceName\nfrom-file\n")
    options = ("--product", f"{PRODUCT},{PRODUCT_SECRET}", "--names", names)
    with EmulatorProcess((), options) as process:
        triple = triple_of(register(process, form("from-file")))
        process.restart()
        assert authenticate(process, triple)


def test_database_of_version_2_becomes_one_of_version_3(tmp_path):
    from tools.client.devices_csv import Triple
    from tools.emulator.store import Store

    path = tmp_path / "emulator.db"
    store = Store(path)
    with store.transaction():
        store.add_device(Triple("a1pk", "used", "secret"))
        store.add_device(Triple("a1pk", "new1", "secret"))
        store.issue_token(store.find_device("a1pk", "used"), 1, 2, void_others=False)
    # As version 2 left it.
    store.db.execute("DROP TABLE product")
    store.db.execute("ALTER TABLE device DROP COLUMN activated")
    store.db.execute("PRAGMA user_version = 2")
    store.close()
    store = Store(path)
    assert store.find_device("a1pk", "used").activated
    assert not store.find_device("a1pk", "new1").activated
    assert store.find_product("a1pk") is None
    store.close()
