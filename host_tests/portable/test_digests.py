"""MD5, SHA-1 and HMAC, native and our own, against the vectors of their standards."""

import hashlib

from linkpost.protocol import signing as hmac_module
from linkpost.protocol.digests import MD5, SHA1
from linkpost.protocol.signing import hmac

# RFC 1321, appendix A.5.
MD5_VECTORS = (
    (b"", "d41d8cd98f00b204e9800998ecf8427e"),
    (b"a", "0cc175b9c0f1b6a831c399e269772661"),
    (b"abc", "900150983cd24fb0d6963f7d28e17f72"),
    (b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
    (b"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
    (
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "d174ab98d277d9f5a5611c2c9f419d9f",
    ),
    (b"1234567890" * 8, "57edf4a22be3c955ac49da2e2107b67a"),
)
# FIPS 180-4's examples (and the empty message).
SHA1_VECTORS = (
    (b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    ),
)
# RFC 2202, sections 2 and 3: key, data, HMAC-MD5, HMAC-SHA1. The keys of cases 1, 3 and 5 are as
# long as the digest.
HMAC_VECTORS = (
    (
        b"\x0b",
        b"Hi There",
        "9294727a3638bb1c13f48ef8158bfc9d",
        "b617318655057264e28bc0b6fb378c8ef146be00",
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "750c783e6ab0b503eaa86e310a5db738",
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    ),
    (
        b"\xaa",
        b"\xdd" * 50,
        "56be34521d144c88dbb8c733f0e8b3f6",
        "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "697eaf0aca3a3aea3a75164746ffaa79",
        "4c9007f4026250c6bc8414f9bf50c86c2d7235da",
    ),
    (
        b"\x0c",
        b"Test With Truncation",
        "56461ef2342edc00f9bab995690efd4c",
        "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04",
    ),
    (
        b"\xaa" * 80,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
        "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    ),
    (
        b"\xaa" * 80,
        b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
        "6f630fad67cda0ee1fb1f562db3aa53e",
        "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
    ),
)


def _hex(data):
    return "".join(["%02x" % byte for byte in data])


def test_md5_rfc_1321_vectors_match():
    for message, expected in MD5_VECTORS:
        assert _hex(MD5(message).digest()) == expected, message


def test_sha1_fips_180_4_vectors_match():
    for message, expected in SHA1_VECTORS:
        assert _hex(SHA1(message).digest()) == expected, message


def test_sha1_long_message_matches():
    # FIPS 180-4's third example is a million "a"; this is its first 20,000 by the native digest.
    message = b"a" * 20_000
    assert SHA1(message).digest() == hashlib.sha1(message).digest()


def test_pure_digests_every_length_equal_native():
    for length in range(0, 200):
        message = bytes([i & 255 for i in range(length)])
        assert MD5(message).digest() == hashlib.md5(message).digest(), length
        assert SHA1(message).digest() == hashlib.sha1(message).digest(), length


def test_pure_digests_fed_in_pieces_equal_whole():
    message = bytes([i & 255 for i in range(150)])
    for size in (1, 7, 63, 64, 65):
        for ours, native in ((MD5, hashlib.md5), (SHA1, hashlib.sha1)):
            digest = ours()
            for at in range(0, len(message), size):
                digest.update(message[at : at + size])
            assert digest.digest() == native(message).digest(), (ours, size)


def _check_hmac():
    for i, (key, data, md5, sha1) in enumerate(HMAC_VECTORS):
        short = len(key) == 1
        assert _hex(hmac("md5", key * 16 if short else key, data)) == md5, i
        assert _hex(hmac("sha1", key * 20 if short else key, data)) == sha1, i


def test_hmac_native_digests_rfc_2202_vectors_match():
    _check_hmac()


class _NoDigests:
    """A hashlib as on the webassembly build: neither md5 nor sha1."""


def test_hmac_pure_digests_rfc_2202_vectors_match():
    native = hmac_module.hashlib
    hmac_module.hashlib = _NoDigests
    try:
        assert isinstance(hmac_module.digest_class("sha1")(), SHA1)
        _check_hmac()
    finally:
        hmac_module.hashlib = native
