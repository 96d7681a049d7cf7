"""The token file: whatever it may be, it is a token of this identity or none."""

import os

from linkpost.errors import StorageError
from linkpost.storage.tokens import TokenStore

PATH = "test_tokens.tmp"
IDENTITY = ("pk1", "dev1", "secret", "platform.example")
TOKEN = "6944e5bfb92e4d4ea3918d1eda391234"


def _write(data):
    with open(PATH, "wb") as file:
        file.write(data)


def _stored():
    store = TokenStore(PATH, IDENTITY)
    store.save(TOKEN)
    with open(PATH, "rb") as file:
        return file.read()


def test_token_saved_is_loaded_by_the_same_identity():
    _stored()
    assert TokenStore(PATH, IDENTITY).load() == TOKEN
    os.remove(PATH)


def test_token_of_512_characters_is_kept():
    TokenStore(PATH, IDENTITY).save("t" * 512)
    assert TokenStore(PATH, IDENTITY).load() == "t" * 512
    os.remove(PATH)


def test_token_missing_or_empty_is_none():
    assert TokenStore("no such file", IDENTITY).load() is None
    _write(b"")
    assert TokenStore(PATH, IDENTITY).load() is None
    os.remove(PATH)


def test_token_of_another_identity_is_none():
    _stored()
    for i in range(len(IDENTITY)):
        other = list(IDENTITY)
        other[i] = other[i] + "x"
        assert TokenStore(PATH, tuple(other)).load() is None, other
    # The parts are kept apart: moving a character from one to the next is another identity.
    assert TokenStore(PATH, ("pk1d", "ev1", "secret", "platform.example")).load() is None
    os.remove(PATH)


def test_token_file_cut_at_every_byte_is_none():
    data = _stored()
    for cut in range(len(data)):
        _write(data[:cut])
        assert TokenStore(PATH, IDENTITY).load() is None, cut
    os.remove(PATH)


def test_token_file_with_any_byte_changed_is_none():
    data = _stored()
    for i in range(len(data)):
        changed = bytearray(data)
        changed[i] ^= 0x10
        _write(changed)
        assert TokenStore(PATH, IDENTITY).load() is None, i
    os.remove(PATH)


def test_token_file_that_is_no_token_file_is_none():
    for data in (b"\xff" * 4096, bytes(200), b"garbage" * 1000):
        _write(data)
        assert TokenStore(PATH, IDENTITY).load() is None, data[:8]
    os.remove(PATH)


def test_token_on_flash_that_no_header_can_carry_is_none():
    for token in ("a\r\nX-Injected: 1", "a b", "a\0", "\x7f", "\u00e9"):
        TokenStore(PATH, IDENTITY).save(token)
        assert TokenStore(PATH, IDENTITY).load() is None, repr(token)
    os.remove(PATH)


def test_token_file_holds_no_secret():
    assert b"secret" not in _stored()
    os.remove(PATH)


def test_token_that_cannot_be_written_is_a_storage_error():
    try:
        TokenStore("no/such/folder/token", IDENTITY).save(TOKEN)
    except StorageError as error:
        assert TOKEN not in str(error)
        return
    raise AssertionError("written")
