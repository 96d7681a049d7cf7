"""What tests of the firmware as a whole share: a hostile platform, and a CA of their own."""

from __future__ import annotations

import pytest
from hostile_platform import running
from tls_server import Authority


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a hostile platform, and of its board."""
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def platform(folder):
    """A platform that answers as a test tells it to."""
    with running(folder) as platform:
        yield platform


@pytest.fixture(scope="module")
def authority() -> Authority:
    """A CA that makes what certificates a test wants."""
    return Authority()


@pytest.fixture(scope="module")
def anchor(authority, tmp_path_factory):
    """The path of that CA's certificate, in DER."""
    path = tmp_path_factory.mktemp("certs") / "ca.der"
    path.write_bytes(authority.der)
    return path
