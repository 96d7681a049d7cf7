"""What the client offers in its first message, on both runtimes, and peers that choose less.

Certificates that are refused are in test_transport_certificates.py.

Not restricted, though it could be (`set_ciphers`): RSA key exchange and CBC. The vendor's own C
clients offer nothing else, so a platform without them has no devices, but one without the better
ones may exist. They stand last in our list, and the platform chooses.
"""

from __future__ import annotations

import select
import shutil
import ssl
import subprocess
import time

import pytest
from tls_hello import SIGNALS, TLS_1_2, known_suites, parse_client_hello, server_hello
from tls_server import Connection, Peer, answer_all
from transport_driver import RUNTIMES, both_runtimes, drive, result_of, start_micropython

_WAIT_S = 60
_GOOD_SUITE = 0xC02B  # ECDHE-ECDSA-AES128-GCM-SHA256
_BAD_WORDS = ("NULL", "EXP", "RC4", "RC2", "DES", "ADH", "AECDH", "ANON", "MD5", "PSK", "SRP")


class Listener:
    """A TCP peer that notes all it is sent; `answer` is its first flight, then it waits."""

    def __init__(self, answer: bytes | None = None):
        self._answer = answer
        self.received = b""

    def __call__(self, connection: Connection) -> None:
        while not self._whole_record():
            self.received += connection.receive()
        if self._answer is None:
            return
        connection.send_tcp(self._answer)
        while True:
            self.received += connection.receive()

    def _whole_record(self) -> bool:
        length = int.from_bytes(self.received[3:5], "big")
        return len(self.received) >= 5 and len(self.received) >= 5 + length

    def record_types(self) -> list[int]:
        """Return the type of every record that arrived."""
        types, left = [], self.received
        while left:
            types.append(left[0])
            left = left[5 + int.from_bytes(left[3:5], "big") :]
        return types


# -- offered --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=RUNTIMES)
def hello(request, authority, anchor):
    listener = Listener()
    with Peer(authority.context(), listener) as peer:
        result = drive(request.param, peer.port, [anchor])
    assert result["error"] == "NetworkError", result
    return parse_client_hello(listener.received)


def test_offered_versions_are_tls_1_2_and_nothing_below(hello):
    assert hello.versions == [TLS_1_2]


def test_offered_suites_are_known_authenticated_and_strong(hello):
    known = known_suites()
    suites = [suite for suite in hello.suites if suite not in SIGNALS]
    assert suites
    for suite in suites:
        # RC4, export and single DES are in no OpenSSL any more: unknown is refused as well.
        assert suite in known, hex(suite)
        name = known[suite]["name"]
        assert not [word for word in _BAD_WORDS if word in name], name
        assert known[suite]["auth"] not in ("auth-null", "auth-psk", "auth-srp"), name
        assert known[suite]["strength_bits"] >= 128, name


def test_offered_suites_with_forward_secrecy_come_first(hello):
    known = known_suites()
    plain_rsa = [known[s]["kea"] == "kx-rsa" for s in hello.suites if s not in SIGNALS]
    assert plain_rsa == sorted(plain_rsa)
    assert not plain_rsa[0]


def test_offered_fallback_is_never_said(hello):
    # RFC 7507: only a client that tries again with less says so. Ours does not.
    assert 0x5600 not in hello.suites


def test_offered_compression_is_none(hello):
    assert hello.compressions == b"\0"


def test_offered_name_is_the_endpoints(hello):
    assert hello.server_name == "localhost"


def test_offered_signatures_have_no_md5_and_no_sha1(hello):
    # The high byte is the hash in TLS 1.2 (RFC 5246, section 7.4.1.4.1); 8 stands for PSS, EdDSA.
    assert hello.signatures
    assert not [hex(s) for s in hello.signatures if s >> 8 in (0, 1, 2)]


def test_offered_groups_are_of_256_bits_or_more(hello):
    # secp256r1, 384, 521, x25519 and x448: numbers of RFC 8422, section 5.1.1.
    assert set(hello.groups) <= {23, 24, 25, 29, 30}


# -- chosen ---------------------------------------------------------------------------------------

# suite, version, compression, what follows
CHOICES = {
    "TLS 1.1": (0xC009, 0x0302, 0, b""),
    "TLS 1.0": (0xC009, 0x0301, 0, b""),
    "SSL 3.0": (0x002F, 0x0300, 0, b""),
    "a version to come": (_GOOD_SUITE, 0x0304, 0, b""),
    "no encryption": (0x0002, TLS_1_2, 0, b""),
    "no encryption, signed": (0xC006, TLS_1_2, 0, b""),
    "export RC4": (0x0003, TLS_1_2, 0, b""),
    "RC4": (0x0005, TLS_1_2, 0, b""),
    "DES": (0x0009, TLS_1_2, 0, b""),
    "anonymous DH": (0x00A6, TLS_1_2, 0, b""),
    "anonymous ECDH": (0xC018, TLS_1_2, 0, b""),
    "a shared key": (0x00A8, TLS_1_2, 0, b""),
    "compression": (_GOOD_SUITE, TLS_1_2, 1, b""),
    "no certificate": (_GOOD_SUITE, TLS_1_2, 0, b"\x0e\0\0\0"),  # ServerHelloDone
    "an empty certificate": (_GOOD_SUITE, TLS_1_2, 0, b"\x0b\0\0\x03\0\0\0\x0e\0\0\0"),
    "no version": (_GOOD_SUITE, 0, 0, b""),
}


@both_runtimes
def test_server_that_chooses_what_was_offered_is_waited_for(runtime, authority, anchor):
    # The rows above are refused for their choice, not for how they are made.
    listener = Listener(server_hello(_GOOD_SUITE))
    with Peer(authority.context(), listener) as peer:
        result = drive(runtime, peer.port, [anchor], deadline_ms=500)
    assert result["error"] == "DeadlineError", result
    assert listener.record_types() == [22]


@both_runtimes
@pytest.mark.parametrize("choice", CHOICES)
def test_server_that_chooses_what_was_not_offered_is_refused(runtime, choice, authority, anchor):
    listener = Listener(server_hello(*CHOICES[choice]))
    with Peer(authority.context(), listener) as peer:
        result = drive(runtime, peer.port, [anchor], deadline_ms=20_000)
    assert (result["error"], result["reason"]) == ("TLSError", "handshake"), result
    assert not result["open"]
    assert result["requests"] == 0
    # The hello, and at most an alert: nothing that somebody could read a token from.
    assert listener.record_types() in ([22], [22, 21])
    assert b"POST" not in listener.received


@both_runtimes
@pytest.mark.parametrize("suites", ["ADH:@SECLEVEL=0", "AECDH:@SECLEVEL=0", "NULL:@SECLEVEL=0"])
def test_server_with_anonymous_or_empty_suites_only_is_refused(runtime, suites, authority, anchor):
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suites)
    with Peer(context, answer_all) as peer:
        result = drive(runtime, peer.port, [anchor])
        assert (result["error"], result["reason"]) == ("TLSError", "handshake"), result
        assert sum(c.application_records() for c in peer.connections) == 0


# -- chosen anew ----------------------------------------------------------------------------------


def _line_with(process: subprocess.Popen, word: bytes) -> bytes:
    limit = time.monotonic() + _WAIT_S
    line = b""
    while word not in line:
        ready, _, _ = select.select([process.stdout], [], [], max(0, limit - time.monotonic()))
        assert ready, f"s_server does not say {word!r}"
        line = process.stdout.readline()
        assert line, f"s_server ended without {word!r}"
    return line


@pytest.mark.parametrize("command", [b"r\n", b"R\n"], ids=["renegotiate", "and ask who we are"])
def test_openssl_that_renegotiates_in_the_middle_is_a_network_error(
    command, authority, anchor, tmp_path
):
    # mbedTLS refuses, and OpenSSL then ends the connection. A peer that goes on is read on: see
    # hostile_records.py.
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not installed on this machine")
    leaf = tmp_path / "leaf.pem"
    made = authority.ca.issue_cert("localhost")
    made.private_key_and_cert_chain_pem.write_to_path(str(leaf))
    server = subprocess.Popen(
        [openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", str(leaf), "-tls1_2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    )
    try:
        port = int(_line_with(server, b"ACCEPT").rpartition(b":")[2])
        client = start_micropython({"port": port, "anchors": [str(anchor)], "deadline_ms": 20_000})
        _line_with(server, b"Content-Length")  # of our request
        server.stdin.write(command)
        result = result_of(client)
    finally:
        server.kill()
        server.communicate()
    assert result["error"] == "NetworkError", result
    assert (result["started"], result["open"]) == (False, False)
    assert result["ms"] < 20_000
