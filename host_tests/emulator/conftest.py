"""What the tests of the emulator share: one that runs, and a token of its device."""

from __future__ import annotations

import pytest
from emulator_client import DEV1, OTHER, authenticate
from emulator_process import EmulatorProcess


@pytest.fixture(scope="module")
def emulator():
    """A running emulator with two devices, one for all tests of a file."""
    with EmulatorProcess([DEV1, OTHER]) as process:
        yield process


@pytest.fixture
def token(emulator):
    """A token of the first device."""
    return authenticate(emulator, DEV1)
