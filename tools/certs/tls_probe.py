"""Which root certificate an endpoint's certificate chains to: real handshakes, nothing is sent.

One handshake for each root, with that one alone trusted, in TLS 1.2 as boards speak it.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from dataclasses import dataclass, field

from cryptography import x509

from ..terminal.failures import NETWORK, TIMEOUT, CommandError

# OpenSSL's X509_V_ERR_ numbers, after the chain itself was found good.
_NOT_YET_VALID = 9
_HAS_EXPIRED = 10
_OTHER_NAME = (62, 64)


@dataclass
class Probe:
    """What the handshakes said: the roots, by name, and what is wrong beside the chain."""

    endpoint: str
    chains_to: list[str] = field(default_factory=list)
    problem: str | None = None
    issuer: str | None = None  # of a certificate that chains to none of them


def probe(host: str, port_number: int, roots: dict[str, bytes], deadline_s: float) -> Probe:
    """Try each root (DER by name) on that endpoint.

    Raises: CommandError where there is no TLS there, or no answer in time.
    """
    found = Probe(f"{host}:{port_number}")
    end = time.monotonic() + deadline_s
    for name, der in roots.items():
        try:
            _shake_hands(host, port_number, der, end)
        except ssl.SSLCertVerificationError as error:
            problem = _beside_the_chain(error)
            if problem is None:
                continue
            found.problem = problem
        except ssl.SSLError as error:
            raise CommandError(
                f"{found.endpoint} does not speak TLS 1.2 ({error.reason or error}). Check the "
                "endpoint and its port",
                NETWORK,
            ) from error
        except TimeoutError as error:
            raise CommandError(
                f"{found.endpoint} does not answer within {deadline_s:g} s", TIMEOUT
            ) from error
        except OSError as error:
            raise CommandError(
                f"{found.endpoint} was not reached: {error.strerror or error}. Check the endpoint "
                "and the network",
                NETWORK,
            ) from error
        found.chains_to.append(name)
    if not found.chains_to:
        found.issuer = _issuer(host, port_number, end)
    return found


def _shake_hands(host: str, port_number: int, der: bytes, end: float) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=der)
    with socket.create_connection((host, port_number), timeout=_left(end)) as raw:
        raw.setblocking(False)  # a timeout would begin anew with each byte
        with context.wrap_socket(
            raw, server_hostname=host, do_handshake_on_connect=False
        ) as connection:
            while True:
                try:
                    connection.do_handshake()
                    return
                except ssl.SSLWantReadError:
                    select.select([connection], [], [], _left(end))
                except ssl.SSLWantWriteError:
                    select.select([], [connection], [], _left(end))


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _beside_the_chain(error: ssl.SSLCertVerificationError) -> str | None:
    """Return what else is wrong where the chain is good; None where it is not."""
    if error.verify_code in _OTHER_NAME:
        return "its certificate is for another name: check the endpoint, letter by letter"
    if error.verify_code == _HAS_EXPIRED:
        return "a certificate of its chain has expired, by this machine's clock"
    if error.verify_code == _NOT_YET_VALID:
        return "a certificate of its chain is not valid yet, by this machine's clock"
    return None


def _issuer(host: str, port_number: int, end: float) -> str | None:
    """Return who issued the certificate that nobody vouched for; only to be shown."""
    try:
        pem = ssl.get_server_certificate((host, port_number), timeout=max(0.1, _left(end)))
        return x509.load_pem_x509_certificate(pem.encode()).issuer.rfc4514_string()
    except (OSError, ValueError):
        return None
