"""The emulator as a program: what survives, how it starts and ends, who can connect."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from emulator_client import (
    DEV1,
    TOPIC,
    RawClient,
    auth_fields,
    authenticate,
    client_context,
    encode_auth,
    encode_publish,
    exchange,
)
from emulator_process import EmulatorProcess

from tools import cli
from tools.emulator import certs, default_paths

ROOT = Path(__file__).parent.parent.parent
_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and file modes")


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess([DEV1], ["--legacy-ciphers", "--token-ttl", "5000"]) as process:
        yield process


def run_emulator(*arguments, timeout=60):
    """Run the command where it is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "tools", "emulator", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_restart_keeps_ca_token_messages_counters_and_ports(emulator):
    token = authenticate(emulator, DEV1)
    exchange(emulator, encode_publish(TOPIC, token, b"before"))
    ca = Path(emulator.ca).read_bytes()
    certificate = Path(emulator.ca).with_name("server.pem").read_bytes()
    platform, messages, devices = emulator.platform, emulator.messages(), emulator.devices()
    emulator.restart()
    assert Path(emulator.ca).read_bytes() == ca
    assert Path(emulator.ca).with_name("server.pem").read_bytes() == certificate
    assert emulator.platform == platform
    assert emulator.messages() == messages
    assert emulator.devices() == devices
    reply = exchange(emulator, encode_publish(TOPIC, token, b"after"))
    assert reply.code == 0
    assert reply.json["info"]["messageId"] > messages[-1]["id"]


def test_ready_file_and_output_say_what_a_person_needs(emulator):
    ready = json.loads((emulator.directory / "ready.json").read_text())
    assert ready == {
        "platform": f"localhost:{emulator.port}",
        "console": emulator.console,
        "ca": emulator.ca,
        "db": emulator.db,
    }
    for value in ready.values():
        assert value in emulator.output


@_posix
def test_private_files_are_for_their_owner_only(emulator):
    directory = Path(emulator.ca).parent
    for path in (directory / "ca.key.pem", directory / "server.pem", Path(emulator.db)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert b"PRIVATE" not in Path(emulator.ca).read_bytes()


@_posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signal_ends_cleanly_with_connections_open(emulator, number, code):
    emulator.fault(kind="stall", endpoint="auth", times=1)
    with RawClient(emulator) as client, RawClient(emulator) as idle:
        client.send(encode_auth(auth_fields(DEV1)))
        while emulator.faults():
            pass
        emulator.process.send_signal(number)
        assert emulator.process.wait(20) == code
        assert idle.read_to_end().raw == b""
    assert not (emulator.directory / "ready.json").exists()
    assert "Traceback" not in emulator.log
    emulator.start()


def test_port_in_use_is_one_clear_line(emulator, tmp_path):
    paths = ("--db", tmp_path / "db", "--cert-dir", tmp_path)
    console_port = emulator.console.rpartition(":")[2]
    for ports in (
        ("--port", emulator.port, "--console-port", 0),
        ("--port", 0, "--console-port", console_port),
    ):
        result = run_emulator(*ports, *paths)
        assert result.returncode == 4
        assert len(result.stderr.splitlines()) == 1
        assert "in use" in result.stderr
    assert exchange(emulator, encode_auth(auth_fields(DEV1))).code == 0


def test_usage_errors_exit_2_and_show_no_secret(tmp_path, capsys):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database, but long enough to be read as one" * 100)
    csv = tmp_path / "devices.csv"
    csv.write_text("DeviceName,DeviceSecret,ProductKey\nx,hidden-secret,pk\nsensor01,,pk\n")
    for arguments, text in (
        (["--device", "pk1,dev1"], "--device"),
        (["--device", "pk1,x,hidden-secret"], "device name"),
        (["--devices", tmp_path / "none.csv"], "none.csv"),
        (["--devices", csv], "line 3"),
        (["--db", broken], "broken.db"),
        (["--topic", "user/update"], "--topic"),
        (["--topic", "/{product_key}/${device_name}/user/update"], "--topic"),
        (["--topic", "/topic/{product_key}/{device_name}/user/update"], "--topic"),
        (["--san", "two words"], "--san"),
        (["--token-ttl", "0"], "--token-ttl"),
        (["--ready-file", tmp_path / "none" / "ready"], "--ready-file"),
    ):
        paths = [] if "--db" in arguments else ["--db", tmp_path / "db"]
        paths += ["--cert-dir", tmp_path / "certs", "--port", 0, "--console-port", 0]
        with pytest.raises(SystemExit) as ended:
            cli.main(["emulator", *map(str, paths + arguments)])
        errors = capsys.readouterr().err
        assert ended.value.code == 2, (arguments, errors)
        assert text in errors
        assert "hidden-secret" not in errors
        assert "Traceback" not in errors


def test_help_has_an_example_and_the_default_paths():
    result = run_emulator("--help")
    assert result.returncode == 0
    for text in (
        "Example: linkpost emulator",
        "emulator/emulator.db",
        "emulator/certs",
        "XDG_DATA_HOME",
    ):
        assert text in result.stdout


@_posix
def test_default_paths_follow_the_platform(monkeypatch, tmp_path):
    monkeypatch.setattr(default_paths.sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_paths.data_dir() == tmp_path / ".local" / "share" / "linkpost"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_paths.data_dir() == tmp_path / "data" / "linkpost"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # the specification says: ignore it
    assert default_paths.data_dir() == tmp_path / ".local" / "share" / "linkpost"
    monkeypatch.setattr(default_paths.sys, "platform", "darwin")
    assert default_paths.data_dir() == tmp_path / "Library" / "Application Support" / "linkpost"


def test_legacy_ciphers_connect_only_where_chosen(emulator):
    for cipher in ("AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA256"):
        context = client_context(emulator, maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(f"{cipher}:@SECLEVEL=0")
        with RawClient(emulator, context) as client:
            assert client.tls.cipher()[0] == cipher
            client.send(encode_auth(auth_fields(DEV1)))
            assert client.read_to_end().code == 0
    for cipher in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA384"):
        context = client_context(emulator, maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(cipher)
        with RawClient(emulator, context) as client:
            assert client.tls.cipher()[0] == cipher


def test_client_with_old_suites_only_is_named_in_the_log_with_the_option_that_takes_it():
    with EmulatorProcess() as emulator:
        context = client_context(emulator, maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("AES128-SHA:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            RawClient(emulator, context)
        end = time.monotonic() + 10
        while "handshake failed" not in emulator.log:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert "offers old cipher suites only" in emulator.log
        assert "linkpost emulator --legacy-ciphers" in emulator.log


def test_two_emulators_that_start_at_once_have_one_ca(tmp_path, monkeypatch):
    make, others = trustme.CA, []

    def make_slowly(**options):
        if not others:  # another emulator makes and writes one meanwhile
            others.append(None)
            others[0] = certs.ensure_certificates(tmp_path, ())[0].read_bytes()
        return make(**options)

    monkeypatch.setattr(certs.trustme, "CA", make_slowly)
    make_slowly.from_pem = make.from_pem
    ca_path, server_path = certs.ensure_certificates(tmp_path, ())
    assert ca_path.read_bytes() == others[0]  # what that one runs with is what is on disk
    ca = x509.load_pem_x509_certificate(ca_path.read_bytes())
    assert (tmp_path / "ca.key.pem").read_bytes().startswith(ca_path.read_bytes())
    x509.load_pem_x509_certificates(server_path.read_bytes())[0].verify_directly_issued_by(ca)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "ca.key.pem",
        "ca.pem",
        "server.pem",
    ]
    assert (tmp_path / "ca.key.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_legacy_ciphers_do_not_admit_tls_1_1(emulator):
    context = client_context(emulator)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        RawClient(emulator, context)


def test_micropython_connects_and_checks_the_certificate(emulator):
    interpreter = Path(sys.executable).with_name("micropython")
    if not interpreter.exists():
        pytest.skip("the MicroPython wheel is not installed on this machine")
    der = emulator.directory / "ca.der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(Path(emulator.ca).read_text()))
    program = f"""
import socket, tls
raw = socket.socket()
raw.connect(socket.getaddrinfo("127.0.0.1", {emulator.port}, 0, socket.SOCK_STREAM)[0][-1])
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(open({str(der)!r}, "rb").read())
peer = context.wrap_socket(raw, server_hostname="localhost")
peer.write({encode_auth(auth_fields(DEV1))!r})
print(peer.cipher(), peer.read())
"""
    result = subprocess.run(
        [str(interpreter), "-c", program], capture_output=True, text=True, timeout=60
    )
    assert "ECDHE" in result.stdout, result
    assert '"code":0' in result.stdout


def test_unknown_ca_is_refused_by_the_client(emulator):
    with pytest.raises(ssl.SSLCertVerificationError):
        RawClient(emulator, ssl.create_default_context())


def test_options_change_the_platform_and_names_reissue_the_certificate(tmp_path):
    options = ["--san", "gateway.example", "--san", "192.0.2.7", "--keep-alive"]
    options += ["--rate-limit", "1", "--void-old-tokens", "--topic", "/only/{device_name}"]
    csv = tmp_path / "devices.csv"
    csv.write_bytes("\ufeffDeviceSecret,DeviceName,ProductKey\nsecret9,dev9,pk9\n".encode())
    options += ["--devices", str(csv)]
    with EmulatorProcess([DEV1], options) as emulator:
        assert list(emulator.devices()) == ["pk1/dev1", "pk9/dev9"]
        context = client_context(emulator)
        for name in ("gateway.example", "192.0.2.7", "127.0.0.1", "::1", "localhost"):
            with (
                socket.create_connection(("127.0.0.1", emulator.port), timeout=20) as raw,
                context.wrap_socket(raw, server_hostname=name) as tls,
            ):
                assert tls.version()
        with RawClient(emulator) as client:
            client.send(encode_auth(auth_fields(DEV1)))
            reply = client.read_reply()
            assert reply.headers["Connection"] == "keep-alive"
            assert reply.code == 0
            # One request per second: the second in the same moment is one too many.
            client.send(encode_auth(auth_fields(DEV1)))
            assert client.read_reply().code == 40000
        emulator.keep_alive(False)
        token = authenticate(emulator, ("pk9", "dev9", "secret9"))
        emulator.options = []
        ca = Path(emulator.ca).read_bytes()
        emulator.restart()
        assert Path(emulator.ca).read_bytes() == ca
        with (
            socket.create_connection(("127.0.0.1", emulator.port), timeout=20) as raw,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            context.wrap_socket(raw, server_hostname="gateway.example")
        assert exchange(emulator, encode_publish("/pk9/dev9/x", token)).code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_host_that_is_listened_on_is_in_address_and_certificate():
    with EmulatorProcess([DEV1], ["--host", "127.0.0.2"]) as emulator:
        assert emulator.platform == f"127.0.0.2:{emulator.port}"
        with (
            socket.create_connection(("127.0.0.2", emulator.port), timeout=20) as raw,
            client_context(emulator).wrap_socket(raw, server_hostname="127.0.0.2") as tls,
        ):
            tls.sendall(encode_auth(auth_fields(DEV1)))
            assert tls.recv(100).startswith(b"HTTP/1.1 200")
