"""What a hostile platform does, one row each, and what a board has to make of it.

The attack begins when the request has been read. `answer` takes it from there: to /auth where
`at` says so (the topic then answers 20001 first), else to the topic.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tls_forger import Forger
from tls_server import REPLY_BODY, Connection, Gone, reply

OK = b"HTTP/1.1 200\r\n"
# As short as a reply can be, for the tables that cut it everywhere.
SHORTEST = OK + b'Content-Length: 10\r\n\r\n{"code":0}'
TO_CLOSE = OK + b'\r\n{"code":0}'
STALL_MS = 500


@dataclass(frozen=True)
class Scenario:
    """One attack.

    attack       a script of one connection after its request, or a Forger's
    error        the class it ends in; None: the reading is accepted
    words        part of the message
    at           "topic" or "auth": the request that is answered so
    deadline_ms  of the whole request; an attack without end has to be ended by a limit, not by it
    early        `attack` begins before the request was read
    forged       `attack` takes a Forger
    keeps        as far as HTTP goes all is well, and the connection is kept
    """

    name: str
    attack: Callable[[Connection], None] | Callable[[Forger], None]
    error: str | None = "ProtocolError"
    words: str = ""
    at: str = "topic"
    deadline_ms: int = 15_000
    early: bool = False
    forged: bool = False
    keeps: bool = False


def body(data: bytes, *fields: bytes) -> Callable[[Connection], None]:
    """Answer 200 with that body."""
    return says(reply(data, *fields))


def says(*pieces: bytes) -> Callable[[Connection], None]:
    """Send that, and nothing more."""

    def attack(connection: Connection) -> None:
        for piece in pieces:
            connection.send(piece)

    return attack


def and_closes(data: bytes) -> Callable[[Connection], None]:
    """Send that, and close."""

    def attack(connection: Connection) -> None:
        connection.send(data)
        connection.close_notify()

    return attack


def ends(data: bytes) -> Callable[[Connection], None]:
    """Send that, and end TCP without a word."""

    def attack(connection: Connection) -> None:
        connection.send(data)
        raise Gone

    return attack


def without_end(start: bytes, pieces: Iterable[bytes]) -> Callable[[Connection], None]:
    """Send `start`, then `pieces` in turn, for as long as they are taken."""

    def attack(connection: Connection) -> None:
        connection.raw.settimeout(30)
        connection.send(start)
        for piece in itertools.cycle(pieces):
            connection.send(piece * (4096 // len(piece)))

    return attack


def dripped(start: bytes, piece: bytes) -> Callable[[Connection], None]:
    """Send `start`, then `piece` every 50 ms: each of them in time, all of them never."""

    def attack(connection: Connection) -> None:
        connection.send(start)
        while True:
            connection.pause(0.05)
            connection.send(piece)

    return attack


def raw(*pieces: bytes) -> Callable[[Connection], None]:
    """Send that on TCP, below TLS: what somebody on the way can do."""

    def attack(connection: Connection) -> None:
        for piece in pieces:
            connection.send_tcp(piece)

    return attack


def _info(text: bytes) -> Callable[[Connection], None]:
    return body(b'{"code":0,"info":' + text + b"}")


def _token(text: bytes) -> Callable[[Connection], None]:
    return _info(b'{"token":"' + text + b'"}')


ENDLESS = [
    Scenario(
        "endless headers", without_end(OK, [b"X-More: and more\r\n"]), words="too long a head"
    ),
    Scenario("one endless header", without_end(OK + b"X-More: ", [b"y"]), words="too long a head"),
    Scenario(
        "endless status line", without_end(b"HTTP/1.1 200 ", [b"OK "]), words="too long a head"
    ),
    Scenario("endless 100s", without_end(b"", [b"HTTP/1.1 100\r\n\r\n"]), words="too long a head"),
    Scenario(
        "endless body without a length", without_end(OK + b"\r\n", [b"{"]), words="over 1024"
    ),
    Scenario("endless spaces in the body", without_end(OK + b"\r\n", [b" "]), words="over 1024"),
    Scenario(
        "endless small chunks",
        without_end(OK + b"Transfer-Encoding: chunked\r\n\r\n", [b"1\r\n \r\n"]),
        words="over 1024",
    ),
    Scenario(
        "endless chunk extension",
        without_end(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", [b"x"]),
        words="too long a head",
    ),
    Scenario(
        "endless trailers",
        without_end(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", [b"X: y\r\n"]),
        words="too long a head",
    ),
    Scenario(
        "headers dripped without end",
        dripped(OK, b"X-More: and more\r\n"),
        "DeadlineError",
        deadline_ms=STALL_MS,
    ),
    Scenario(
        "100s dripped without end",
        dripped(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "DeadlineError",
        deadline_ms=STALL_MS,
    ),
    Scenario(
        "body dripped without end",
        dripped(OK + b"Content-Length: 1000\r\n\r\n", b" "),
        "DeadlineError",
        deadline_ms=STALL_MS,
    ),
    Scenario(
        "endless headers at /auth",
        without_end(OK, [b"X: y\r\n"]),
        words="too long a head",
        at="auth",
    ),
]

LENGTHS = [
    Scenario(f"Content-Length: {value.decode()}", says(OK + fields + b"\r\n" + more), words=words)
    for value, fields, more, words in [
        (value, b"Content-Length: %s\r\n" % value, REPLY_BODY, words)
        for value, words in [
            (b"2147483648", "length"),
            (b"2147483647", "length"),
            (b"18446744073709551617", "length"),
            (b"1" * 3000, "length"),
            (b"999999999", "over 1024"),
            (b"1025", "over 1024"),
            (b"-1", "length"),
            (b"-2147483648", "length"),
            (b"+70", "length"),
            (b"0x46", "length"),
            (b"70.0", "length"),
            (b"7 0", "length"),
            (b"70, 70", "length"),
            (b"\xef\xbc\x97", "length"),
            (b"", "length"),
            (b"0", "no JSON"),
        ]
    ]
] + [
    Scenario("doubled and conflicting", body(REPLY_BODY, b"Content-Length: 5"), words="length"),
    Scenario("doubled and the same", body(REPLY_BODY, b"Content-Length: 70"), words="length"),
    Scenario("beside chunked", body(REPLY_BODY, b"Transfer-Encoding: chunked"), words="length"),
]

HTTP = [
    Scenario("gzip nobody asked for", body(gzip.compress(REPLY_BODY), b"Content-Encoding: gzip")),
    Scenario("gzip as a transfer", body(REPLY_BODY, b"Transfer-Encoding: gzip"), words="length"),
    Scenario("a bomb in gzip", body(gzip.compress(bytes(900_000)), b"Content-Encoding: gzip")),
    Scenario("100 before the reply", says(b"HTTP/1.1 100 Continue\r\n\r\n", reply()), None),
    Scenario(
        "100 without a reply",
        says(b"HTTP/1.1 100\r\n\r\n"),
        "DeadlineError",
        deadline_ms=STALL_MS,
    ),
    Scenario("103 with headers", says(b"HTTP/1.1 103\r\nLink: </x>\r\n\r\n" + reply()), None),
    Scenario("101", says(b"HTTP/1.1 101\r\nUpgrade: h2c\r\n\r\n"), words="HTTP/1.1"),
    Scenario("HTTP/0.9", and_closes(REPLY_BODY), words="too early"),
    Scenario("HTTP/0.9 in lines", says(REPLY_BODY + b"\r\n"), words="HTTP/1.1"),
    Scenario("HTTP/0.9 left open", says(REPLY_BODY), "DeadlineError", deadline_ms=STALL_MS),
    Scenario("HTTP/2", says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"), words="HTTP/1.1"),
    Scenario("HTTP/2.0 in words", says(b"HTTP/2.0 200\r\n\r\n"), words="HTTP/1.1"),
    Scenario("a mail server", says(b"220 mail ESMTP\r\n"), words="HTTP/1.1"),
    Scenario("bare line feeds", says(reply().replace(b"\r\n", b"\n")), words="HTTP/1.1"),
    Scenario("NUL in a header", says(reply(REPLY_BODY, b"X: \0")), words="HTTP/1.1"),
    Scenario("a redirect to itself", says(b"HTTP/1.1 307\r\nLocation: /\r\n\r\n"), "ServiceError"),
    Scenario("status 999", says(b"HTTP/1.1 999\r\n\r\n"), "ServiceError", "999"),
    Scenario("status 2000", says(b"HTTP/1.1 2000\r\n\r\n"), words="HTTP/1.1"),
    Scenario("two replies in one", says(reply() + reply(b'{"code":40000}')), None),
]

_DEEP = b"[" * 1000 + b"]" * 1000
JSON = [
    Scenario("JSON of 1,000 levels", _info(_DEEP), words="over 1024"),
    Scenario("JSON of as many levels as fit", _info(b"[" * 1000), words="no JSON object"),
    Scenario("objects of as many levels as fit", _info(b'{"a":' * 200), words="no JSON object"),
    Scenario("1 MB string", _info(b'"%s"' % (b"x" * 1_000_000)), words="over 1024"),
    Scenario(
        "1 MB string in a chunk",
        says(OK + b"Transfer-Encoding: chunked\r\n\r\nF4240\r\n" + b"x" * 1_000_000),
        words="over 1024",
    ),
    Scenario("1 MB header", body(REPLY_BODY, b"X: " + b"y" * 1_000_000), words="too long a head"),
    Scenario("1 MB token", _token(b"x" * 1_000_000), words="over 1024", at="auth"),
    Scenario("code twice", body(b'{"code":0,"code":20001}'), words="no JSON object"),
    Scenario("code twice, the same", body(b'{"code":0,"code":0}'), words="no JSON object"),
    Scenario("messageId twice", _info(b'{"messageId":1,"messageId":2}'), words="no JSON object"),
    Scenario(
        "token twice", _info(b'{"token":"a","token":"b"}'), words="no JSON object", at="auth"
    ),
    Scenario("code NaN", body(b'{"code":NaN}'), words="no JSON object"),
    Scenario("code Infinity", body(b'{"code":Infinity}'), words="no JSON object"),
    Scenario("NaN where nobody looks", _info(b'{"messageId":1,"x":NaN}'), None),
    Scenario("code as a string", body(b'{"code":"0"}'), words="no JSON object"),
    Scenario("dead token's code as a string", body(b'{"code":"20001"}'), words="no JSON object"),
    Scenario("code -0", body(b'{"code":-0}'), words="no JSON object"),
    Scenario("code 0.0", body(b'{"code":0.0}'), words="no JSON object"),
    Scenario("code 1e1", body(b'{"code":1e1}'), words="no JSON object"),
    Scenario("code of 40 digits", body(b'{"code":%s}' % (b"0" * 40)), words="no JSON object"),
    Scenario("code null", body(b'{"code":null}'), words="no JSON object"),
    Scenario("code true", body(b'{"code":true}'), words="no JSON object"),
    Scenario("code inside info only", _info(b'{"code":0}'), None),
    Scenario("no code", body(b'{"info":{"code":0}}'), words="no JSON object"),
    Scenario(
        "invalid UTF-8 in the words",
        body(b'{"code":40000,"message":"\xff\xfe"}'),
        "ThrottledError",
        "not text",
        keeps=True,
    ),
    Scenario("invalid UTF-8 where nobody looks", _info(b'{"x":"\xff\xfe\x80"}'), None),
    Scenario(
        "half a surrogate pair",
        body(b'{"code":1,"message":"\\ud800"}'),
        "ServiceError",
        "not text (1)",
        keeps=True,
    ),
    Scenario(
        "words in control characters",
        body(b'{"code":1,"message":"\\u0000\\r\\n\\u001b[2J"}'),
        "ServiceError",
        "(1)",
        keeps=True,
    ),
    Scenario("invalid UTF-8 in a token", _token(b"\xff\xfe"), at="auth"),
    Scenario("id of 40 digits", _info(b'{"messageId":%s}' % (b"9" * 40)), None),
    Scenario("id of 40 digits, in quotes", _info(b'{"messageId":"%s"}' % (b"9" * 40)), None),
    Scenario(
        "id of 900 digits",
        _info(b'{"messageId":%s}' % (b"9" * 900)),
        words="message id that is no number",
    ),
    Scenario(
        "id with a line end",
        _info(b'{"messageId":"1\\r\\n2"}'),
        words="message id that is no number",
    ),
    Scenario("nothing but a comma", body(b","), words="no JSON object"),
    Scenario("a list", body(b'[{"code":0}]'), words="no JSON object"),
    Scenario("two objects", body(b'{"code":0}{"code":0}'), words="no JSON object"),
]

TOKENS = [
    Scenario(
        "token with CR LF",
        _token(b"a\\r\\nX-Injected: 1"),
        words="token that fits no header",
        at="auth",
    ),
    Scenario(
        "token with a raw CR LF", _token(b"a\r\nX-Injected: 1"), words="no JSON object", at="auth"
    ),
    Scenario(
        "token with CR LF in \\u",
        _token(b"a\\u000d\\u000aX: 1"),
        words="token that fits no header",
        at="auth",
    ),
    Scenario("token with NUL", _token(b"a\\u0000b"), words="token that fits no header", at="auth"),
    Scenario("token with a space", _token(b"a b"), words="token that fits no header", at="auth"),
    Scenario("token with NEL", _token(b"a\\u0085b"), words="token that fits no header", at="auth"),
    Scenario("empty token", _token(b""), words="token that fits no header", at="auth"),
    Scenario("token of 513", _token(b"x" * 513), words="token that fits no header", at="auth"),
    Scenario(
        "token as a number", _info(b'{"token":123}'), words="token that fits no header", at="auth"
    ),
    Scenario(
        "token null", _info(b'{"token":null}'), "ServiceError", "no token", at="auth", keeps=True
    ),
]


SCENARIOS = [*ENDLESS, *LENGTHS, *HTTP, *JSON, *TOKENS]
