"""Frames: whole ones come back, everything else is None."""

from linkpost.storage.readings import (
    encode_frame,
    frame_length,
    is_whole_reading,
    parse_frame,
    time_of,
)

_KIND = 0x54
_PAYLOADS = (b"", b"\0", b"a token", bytes(range(256)) * 3)


def test_frame_whole_gives_back_its_payload():
    for payload in _PAYLOADS:
        frame = encode_frame(_KIND, payload)
        assert len(frame) == len(payload) + 7
        assert bytes(parse_frame(_KIND, frame)) == payload, payload


def test_frame_layout_is_the_documented_one():
    # The CRC is zlib's and PNG's; zlib.crc32 of the six bytes before it.
    assert encode_frame(_KIND, b"abc") == b"T\x03\x00abc\x42\x09\x18\xab"


def test_frame_of_another_kind_is_none():
    assert parse_frame(0x55, encode_frame(_KIND, b"x")) is None


def test_frame_cut_anywhere_or_with_a_tail_is_none():
    for payload in _PAYLOADS:
        frame = encode_frame(_KIND, payload)
        for length in range(len(frame)):
            assert parse_frame(_KIND, frame[:length]) is None, length
        assert parse_frame(_KIND, frame + b"\0") is None
        assert parse_frame(_KIND, frame + frame) is None


def test_frame_with_any_bit_flipped_is_none():
    frame = encode_frame(_KIND, b"a token")
    for index in range(len(frame)):
        for bit in range(8):
            broken = bytearray(frame)
            broken[index] ^= 1 << bit
            assert parse_frame(_KIND, broken) is None, (index, bit)


def test_frame_of_blank_or_zeroed_flash_is_none():
    for kind in (0, 0xFF):
        for fill in (b"\0", b"\xff"):
            for length in (0, 3, 7, 128):
                assert parse_frame(kind, fill * length) is None, (kind, fill, length)


def test_frame_length_reads_the_header_at_an_offset():
    frame = encode_frame(_KIND, b"x" * 300)
    assert frame_length(b"??" + frame, 2) == len(frame)
    assert frame_length(frame[:2]) == 0
    assert frame_length(frame, len(frame)) == 0


def test_reading_from_before_its_boot_s_first_has_no_time_and_stops_nothing():
    # Whole by its CRC, and no board writes one: seq 0, the 53,801st of its boot.
    frame = bytearray(encode_frame(0x55, b"\0\0\0\0\0\xd2\x29\xd2\xd2\xd2\xd2"))
    assert is_whole_reading(frame)
    assert time_of(frame, b"\1\0\0\0" + bytes(6)) is None
