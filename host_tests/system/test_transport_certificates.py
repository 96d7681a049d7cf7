"""Whom the transport trusts: real servers with right and wrong certificates, on both runtimes."""

import datetime
import ssl

import pytest
import trustme
from tls_server import Authority, Peer, answer_all, answer_once, self_signed, tls_1_1_only
from transport_driver import both_runtimes, drive

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """Return the paths of three CAs that vouch for nobody here."""
    folder = tmp_path_factory.mktemp("strangers")
    paths = [folder / f"{i}.der" for i in range(3)]
    for path in paths:
        path.write_bytes(Authority().der)
    return paths


def refused(runtime, context, anchors, **spec):
    """Return the error of a probe that must fail before anything was sent."""
    with Peer(context, answer_all) as peer:
        result = drive(runtime, peer.port, anchors, **spec)
        assert result.get("error") == "TLSError", result
        assert not result["open"]
        assert result["requests"] == 0
        # The one that counts: no byte of a request reached a peer that was not verified.
        assert sum(c.application_records() for c in peer.connections) == 0
        assert not any(c.requests for c in peer.connections)
    return result


@both_runtimes
def test_trusted_certificate_carries_a_request(runtime, authority, anchor):
    with Peer(authority.context(), answer_all) as peer:
        result = drive(runtime, peer.port, [anchor])
        assert result["requests"] == 1, result


@both_runtimes
def test_rsa_certificate_carries_a_request(runtime, tmp_path):
    authority = Authority(trustme.KeyType.RSA)
    path = tmp_path / "rsa.der"
    path.write_bytes(authority.der)
    with Peer(authority.context(), answer_all) as peer:
        assert drive(runtime, peer.port, [path])["requests"] == 1


@both_runtimes
def test_right_anchor_last_of_several_carries_a_request(runtime, authority, anchor, strangers):
    with Peer(authority.context(), answer_all) as peer:
        assert drive(runtime, peer.port, [*strangers, anchor])["requests"] == 1


@both_runtimes
def test_address_in_the_certificate_carries_a_request(runtime, authority, anchor):
    with Peer(authority.context("127.0.0.1"), answer_all) as peer:
        assert drive(runtime, peer.port, [anchor], host="127.0.0.1")["requests"] == 1


@both_runtimes
def test_unknown_ca_is_refused_as_untrusted(runtime, authority, strangers):
    result = refused(runtime, authority.context(), strangers)
    assert result["reason"] == "untrusted"


@both_runtimes
def test_self_signed_is_refused_as_untrusted(runtime, anchor, tmp_path):
    result = refused(runtime, self_signed(tmp_path), [anchor])
    assert result["reason"] == "untrusted"


@both_runtimes
def test_other_name_is_refused_as_wrong_host(runtime, authority, anchor):
    result = refused(runtime, authority.context("iot.example.org"), [anchor])
    assert result["reason"] == "wrong host"


@both_runtimes
def test_other_address_is_refused_as_wrong_host(runtime, authority, anchor):
    result = refused(runtime, authority.context("127.0.0.2"), [anchor], host="127.0.0.1")
    assert result["reason"] == "wrong host"


@both_runtimes
def test_expired_certificate_shows_the_clock(runtime, authority, anchor):
    now = datetime.datetime.now(datetime.UTC)
    context = authority.context(not_before=now - 9 * DAY, not_after=now - DAY)
    result = refused(runtime, context, [anchor])
    assert result["reason"] == "expired"
    assert f"{now:%Y-%m-%d}" in result["message"]


@both_runtimes
def test_certificate_of_tomorrow_shows_the_clock(runtime, authority, anchor):
    now = datetime.datetime.now(datetime.UTC)
    context = authority.context(not_before=now + DAY, not_after=now + 9 * DAY)
    result = refused(runtime, context, [anchor])
    assert result["reason"] == "not yet valid"
    assert f"{now:%Y-%m-%d}" in result["message"]


@both_runtimes
def test_no_anchor_is_refused_before_anything_is_opened(runtime, authority):
    with Peer(authority.context(), answer_all) as peer:
        result = drive(runtime, peer.port, [])
        assert result["error"] == "TLSError"
        assert result["reason"] == "no anchor"
        assert peer.connections == []


@pytest.fixture
def garbage(tmp_path):
    path = tmp_path / "garbage.der"
    path.write_bytes(b"\x30\x82 this is no certificate")
    return path


@both_runtimes
def test_anchor_that_is_no_der_is_refused_before_anything_is_opened(runtime, authority, garbage):
    with Peer(authority.context(), answer_all) as peer:
        result = drive(runtime, peer.port, [garbage])
        assert result["error"] == "TLSError"
        assert result["reason"] == "no anchor"
        assert "garbage.der" in result["message"]
        assert peer.connections == []


@both_runtimes
def test_anchor_that_is_no_der_does_not_keep_the_right_one_from_its_turn(
    runtime, authority, anchor, garbage, strangers
):
    with Peer(authority.context(), answer_all) as peer:
        result = drive(runtime, peer.port, [strangers[0], garbage, anchor])
        assert result["requests"] == 1, result
    result = refused(runtime, authority.context(), [*strangers, garbage])
    # The one that a person can mend is what is told at the end.
    assert "garbage.der" in result["message"]


@both_runtimes
def test_anchor_that_verified_is_the_first_to_be_tried_from_then_on(
    runtime, authority, anchor, strangers
):
    with Peer(authority.context(), answer_once) as peer:
        result = drive(runtime, peer.port, [*strangers, anchor], times=3, pause_s=0.2)
        assert result["requests"] == 3, result
        # Three strangers first, once; each of them saw to it that nothing was sent.
        assert len(peer.connections) == 6
        assert sum(len(c.requests) for c in peer.connections[:3]) == 0


@both_runtimes
def test_all_anchors_are_tried_under_the_one_deadline(runtime, authority, strangers):
    def slow(connection):
        connection.pause(0.5)
        connection.handshake()

    with Peer(authority.context(), slow) as peer:
        # Three pauses alone are longer, two leave 450 ms for two handshakes on a busy machine.
        result = drive(runtime, peer.port, strangers, deadline_ms=1450)
        assert result["error"] == "DeadlineError", result
        assert 1450 <= result["ms"] < 3000
        assert len(peer.connections) == 3


@both_runtimes
def test_server_of_tls_1_1_only_is_refused(runtime, authority, anchor):
    result = refused(runtime, tls_1_1_only(authority.context()), [anchor])
    assert result["reason"] == "handshake"
    assert "TLS 1.2" in result["message"]


@both_runtimes
def test_server_of_tls_1_3_only_is_refused_as_on_the_boards(runtime, authority, anchor):
    context = authority.context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    result = refused(runtime, context, [anchor])
    assert result["reason"] == "handshake"
