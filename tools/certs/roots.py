"""The platform's root certificates: which they are, how long they last, where they come from.

Four roots of GlobalSign, because the platform's CA moves between them: R1 was the only one in the
vendor's SDKs and ends in January 2028. Each is known by its fingerprint; a file with another
content is not that root, whatever its name. `certifi` drops roots that browsers gave up (R1 is
gone from it), so the firmware's own copies are the store, and certifi only restores one.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import warnings
from dataclasses import dataclass

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .. import firmware
from ..terminal.failures import CommandError

WARNING_DAYS = 400
FAILURE_DAYS = 60


@dataclass(frozen=True)
class Root:
    """One root certificate; `file` is its name on the board and in the package."""

    file: str
    title: str
    sha256: str


ROOTS = (
    Root(
        "globalsign_r1.der",
        "GlobalSign R1",
        "ebd41040e4bb3ec742c9e381d31ef2a41a48b6685c96e7cef3c1df6cd4331c99",
    ),
    Root(
        "globalsign_r3.der",
        "GlobalSign R3",
        "cbb522d7b7f127ad6a0113865bdf1cd4102e7d0759af635a7cf4720dc963c53b",
    ),
    Root(
        "globalsign_r6.der",
        "GlobalSign R6",
        "2cabeafe37d06ca22aba7391c0033d25982952c453647349763a3ab5ad6ccf69",
    ),
    Root(
        "globalsign_r46.der",
        "GlobalSign R46",
        "4fa3126d8d3a11d1c4855a4f807cbad6cf919d3a5a88b03bea2c6372d93c40c9",
    ),
)

# What a copy of a root can be.
SAME = "same"
DIFFERS = "differs"
MISSING = "missing"


def package_files() -> dict[str, bytes]:
    """Return the package's own copies, content by file name."""
    folder = firmware.package_dir() / "certs"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.der"))}


def compare(sha256: str | None, root: Root) -> str:
    """Return what a copy with that hash is (None: there is none)."""
    if sha256 is None:
        return MISSING
    return SAME if sha256 == root.sha256 else DIFFERS


def package_state(root: Root, files: dict[str, bytes]) -> str:
    """Return what the package's copy is."""
    data = files.get(root.file)
    return compare(None if data is None else hashlib.sha256(data).hexdigest(), root)


@functools.cache
def from_certifi() -> dict[str, bytes]:
    """Return certifi's certificates, DER by SHA-256."""
    with open(certifi.where(), "rb") as file:
        certificates = _quietly(x509.load_pem_x509_certificates, file.read())
    found = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
    return {hashlib.sha256(der).hexdigest(): der for der in found}


def ends(der: bytes) -> datetime.datetime:
    """Return when a certificate ends."""
    return _quietly(x509.load_der_x509_certificate, der).not_valid_after_utc


def restore() -> list[str]:
    """Put right what is missing or damaged in the package; return the names of those files.

    Raises: CommandError where certifi has not what is needed, or the package cannot be written.
    """
    files = package_files()
    restored = []
    for root in ROOTS:
        if package_state(root, files) == SAME:
            continue
        der = from_certifi().get(root.sha256)
        if der is None:
            raise CommandError(
                f"{root.file} is missing or damaged here, and certifi no longer has "
                f"{root.title}: install linkpost again"
            )
        path = firmware.package_dir() / "certs" / root.file
        try:
            path.write_bytes(der)
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from error
        restored.append(root.file)
    return restored


def end_of(root: Root) -> datetime.datetime | None:
    """Return when a root ends; None where there is no copy of it, here or in certifi."""
    der = package_files().get(root.file)
    if der is None or compare(hashlib.sha256(der).hexdigest(), root) != SAME:
        der = from_certifi().get(root.sha256)
    return None if der is None else ends(der)


def complaints(now: datetime.datetime) -> tuple[list[str], list[str]]:
    """Return (warnings, failures) about the roots that linkpost ships, one line each."""
    files = package_files()
    warned, failed = [], []
    for root in ROOTS:
        state = package_state(root, files)
        if state != SAME:
            failed.append(f"{root.file} in this package: {state}. Run: linkpost certs --update")
            continue
        days = (ends(files[root.file]) - now).days
        when = f"expires in {days} days" if days >= 0 else "has expired"
        line = f"{root.title} {when}"
        if days < FAILURE_DAYS:
            failed.append(f"{line}: get a newer linkpost, and deploy again")
        elif days < WARNING_DAYS:
            warned.append(line)
    known = {root.file for root in ROOTS}
    failed += [
        f"{name} in this package is not one of our root certificates"
        for name in files.keys() - known
    ]
    return warned, failed


def _quietly(parse, data: bytes):
    with warnings.catch_warnings():
        # Old roots bend rules (serial numbers) that newer parsers warn of; boards accept them.
        warnings.simplefilter("ignore")
        return parse(data)
