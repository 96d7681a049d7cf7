"""`certs --endpoint`: which anchor a real TLS server chains to, and what is wrong otherwise."""

from __future__ import annotations

import datetime
import json
import socket
import ssl

import pytest
import trustme
from tls_server import Peer, answer_all

from tools import cli
from tools.certs import command as certs_command
from tools.certs.tls_probe import probe
from tools.terminal.failures import CommandError

_S = 30.0


def chain(*names: str, root: trustme.CA, **dates: datetime.datetime) -> ssl.SSLContext:
    """A server's context as the platform has it: root, intermediate, leaf."""
    leaf = root.create_child_ca().issue_cert(*(names or ("localhost",)), **dates)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def der(ca: trustme.CA) -> bytes:
    return ssl.PEM_cert_to_DER_cert(ca.cert_pem.bytes().decode())


@pytest.fixture(scope="module")
def roots() -> dict[str, trustme.CA]:
    return {"a": trustme.CA(), "b": trustme.CA()}


@pytest.fixture(scope="module")
def anchors(roots) -> dict[str, bytes]:
    return {name: der(ca) for name, ca in roots.items()}


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["certs", *map(str, arguments)])
    return end.value.code


def test_probe_tells_the_anchor_behind_an_intermediate(roots, anchors):
    for name, root in roots.items():
        with Peer(chain(root=root), answer_all) as peer:
            found = probe("localhost", peer.port, anchors, _S)
            assert found.chains_to == [name]
            assert found.problem is None
            # Nothing is sent to a peer, known or unknown.
            assert not any(connection.requests for connection in peer.connections)


def test_probe_of_a_strangers_chain_tells_who_issued_it(anchors):
    with Peer(chain(root=trustme.CA(organization_name="Proxy Inc")), answer_all) as peer:
        found = probe("localhost", peer.port, anchors, _S)
    assert found.chains_to == []
    assert "trustme" in found.issuer.lower()


def test_probe_right_chain_with_something_else_wrong_says_what(roots, anchors):
    with Peer(chain("iot.example.org", root=roots["b"]), answer_all) as peer:
        found = probe("localhost", peer.port, anchors, _S)
    assert found.chains_to == ["b"]
    assert "another name" in found.problem
    past = {
        "not_before": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        "not_after": datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC),
    }
    with Peer(chain(root=roots["a"], **past), answer_all) as peer:
        found = probe("localhost", peer.port, anchors, _S)
    assert found.chains_to == ["a"]
    assert "expired" in found.problem


def test_probe_server_of_another_protocol_is_told(anchors, roots):
    newer = chain(root=roots["a"])
    newer.minimum_version = ssl.TLSVersion.TLSv1_3
    with (
        Peer(newer, answer_all) as peer,
        pytest.raises(CommandError, match="TLS 1.2") as error,
    ):
        probe("localhost", peer.port, anchors, _S)
    assert error.value.exit_code == 4


def test_probe_nobody_there_and_nobody_answering_end_with_their_codes(anchors):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(CommandError, match="does not answer") as error:
            probe("127.0.0.1", port, anchors, 0.3)
        assert error.value.exit_code == 6
    with pytest.raises(CommandError, match="was not reached") as error:
        probe("127.0.0.1", port, anchors, _S)
    assert error.value.exit_code == 4


def test_certs_endpoint_of_the_emulators_kind_needs_its_ca(roots, tmp_path, capsys):
    pem = tmp_path / "ca.pem"
    roots["a"].cert_pem.write_to_path(str(pem))
    with Peer(chain(root=roots["a"]), answer_all) as peer:
        endpoint = f"https://localhost:{peer.port}/"
        assert command("--endpoint", endpoint) == 4
        said = capsys.readouterr()
        assert "linkpost deploy --ca ca.pem" in said.err
        assert "GlobalSign R1" in said.out
        assert command("--check", "--endpoint", endpoint, "--ca", pem) == 0
        assert f"localhost:{peer.port} chains to ca-" in capsys.readouterr().out
        assert command("--json", "--endpoint", endpoint, "--ca", pem) == 0
        shown = json.loads(capsys.readouterr().out)
        assert len(shown["endpoint"]["chains_to"]) == 1
        assert shown["failures"] == []


@pytest.mark.parametrize("text", ["", "a b", "host:0", "host:x", "host:70000", "u@h", "h/path"])
def test_certs_endpoint_that_is_none_is_a_usage_error(text):
    assert command("--endpoint", text) == 2


def test_certs_probe_is_bounded():
    assert certs_command._PROBE_S <= 30
