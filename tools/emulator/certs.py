"""The emulator's certificates: a CA that is made once and kept, and a server certificate.

`ca.pem` is the root certificate that clients need. `ca.key.pem` holds the CA's certificate and
key, `server.pem` the server's chain and key: both for their owner only. Keys are RSA, so that
old SDKs can connect.
"""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..files import whole_file
from ..terminal.failures import CommandError

ALWAYS = ("localhost", "127.0.0.1", "::1")
_END = b"-----END CERTIFICATE-----\n"

# What the vendor's C SDKs offer: static RSA key exchange with AES-CBC (docs/protocol.md,
# "Requests"), on top of what every other client offers. Level 0 admits their SHA-1 and missing
# extensions.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL"
_LEGACY_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:kRSA+AESGCM:kRSA+AES:!aNULL:@SECLEVEL=0"


def ensure_certificates(directory: Path, names: tuple[str, ...]) -> tuple[Path, Path]:
    """Return the paths of the CA's PEM and of the server's chain and key, made where needed.

    Args: names are what clients call this machine, host names or IP addresses, beside `ALWAYS`.
    The CA is kept for good; the server's certificate is issued anew when the names change.

    Raises CommandError where the directory cannot be written or holds something else.
    """
    wanted = _identities(names)
    ca_path, ca_key_path = directory / "ca.pem", directory / "ca.key.pem"
    server_path = directory / "server.pem"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not ca_key_path.exists():
            ca = trustme.CA(key_type=trustme.KeyType.RSA, organization_name="linkpost emulator")
            # Another emulator may make one at the same moment: then we have that one too.
            with contextlib.suppress(FileExistsError):
                whole_file.create(
                    ca_key_path, ca.cert_pem.bytes() + ca.private_key_pem.bytes(), 0o600
                )
        ca = _load_ca(ca_key_path)
        if not ca_path.exists() or ca_path.read_bytes() != ca.cert_pem.bytes():
            whole_file.replace(ca_path, ca.cert_pem.bytes(), 0o644)
        if not _still_good(server_path, ca, wanted):
            leaf = ca.issue_cert(
                *wanted, common_name="linkpost emulator", key_type=trustme.KeyType.RSA
            )
            whole_file.replace(server_path, leaf.private_key_and_cert_chain_pem.bytes(), 0o600)
    except OSError as error:
        raise CommandError(f"{directory}: {error.strerror}; give another --cert-dir") from error
    return ca_path, server_path


def make_context(server_path: Path, *, legacy_ciphers: bool = False) -> ssl.SSLContext:
    """Return the server's TLS: 1.2 and 1.3, and with `legacy_ciphers` the vendor's old suites."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # No tickets after the handshake: what leaves the server is then the reply and nothing else.
    context.num_tickets = 0
    # Said, not left to the default: some builds of Python offer static RSA in theirs.
    context.set_ciphers(_LEGACY_CIPHERS if legacy_ciphers else _CIPHERS)
    context.load_cert_chain(server_path)
    return context


def _identities(names: tuple[str, ...]) -> list[str]:
    """Normalise names as the certificate will hold them, each once, in a stable order."""
    identities: list[str] = []
    for name in (*ALWAYS, *names):
        text = name.strip().rstrip(".")
        try:
            text = str(ipaddress.ip_address(text))
        except ValueError:
            try:
                text = text.encode("idna").decode().lower()
            except UnicodeError:
                text = ""
        if not text or any(c in text for c in "/ ,"):
            raise CommandError(f"--san {name!r} is neither a host name nor an IP address")
        if text not in identities:
            identities.append(text)
    return identities


def _load_ca(path: Path) -> trustme.CA:
    text = path.read_bytes()
    certificate, found, key = text.partition(_END)
    try:
        if not found:
            raise ValueError("no certificate")
        load_pem_private_key(key, password=None)
        return trustme.CA.from_pem(certificate + found, key)
    except ValueError as error:
        raise CommandError(
            f"{path}: not the emulator's CA; move it away, and a new one is made"
        ) from error


def _still_good(path: Path, ca: trustme.CA, wanted: list[str]) -> bool:
    """Tell whether the kept certificate is of this CA and for exactly those names."""
    if not path.exists():
        return False
    text = path.read_bytes()
    try:
        load_pem_private_key(text, password=None)
        certificate = x509.load_pem_x509_certificate(text[text.index(b"-----BEGIN CERT") :])
        issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
        certificate.verify_directly_issued_by(issuer)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    held = [str(name.value) for name in names]
    return sorted(held) == sorted(wanted)
