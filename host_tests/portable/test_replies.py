"""The platform's JSON, read in place."""

from linkpost.errors import ProtocolError
from linkpost.protocol.replies import Answer

# text, code, message, token, message id
GOOD = (
    (
        '{"code":0,"message":"success","info":{"messageId":892687470447040}}',
        0,
        "success",
        None,
        "892687470447040",
    ),
    (
        '{"code":20001,"info":{"messageId":1207967842654323713},"message":"token is expired"}',
        20001,
        "token is expired",
        None,
        "1207967842654323713",
    ),
    (
        '{"code":0,"message":"success","info":{"messageId":"1207967842654323713"}}',
        0,
        "success",
        None,
        "1207967842654323713",
    ),
    (
        '{ "info" : { "token" : "6944e5bf" } , "message" : "success" , "code" : 0 }',
        0,
        "success",
        "6944e5bf",
        None,
    ),
    ('{"code":40000,"message":"request too many"}', 40000, "request too many", None, None),
    ('{"code":10000,"message":"common error","info":null}', 10000, "common error", None, None),
    ('{"code":0,"info":{}}', 0, "", None, None),
    ('{"code":0,"message":null,"info":{"messageId":null,"token":null}}', 0, "", None, None),
    ('{"code":0,"info":[1,{"a":[]}],"x":true,"y":-1.5e3,"z":"\\"}"}', 0, "", None, None),
    ('{"code":1,"message":"a\\"b\\u0041\\n"}', 1, 'a"bA\n', None, None),
    ('{"code":0,"info":{"token":"eyJ.eyJ-_.x="}}\r\n', 0, "", "eyJ.eyJ-_.x=", None),
    ('{"x":{"code":5},"code":7,"info":{"code":6}}', 7, "", None, None),
)

BAD = (
    b"",
    b"{",
    b"{}",
    b"[]",
    b"null",
    b"0",
    b'{"code"}',
    b'{"code":}',
    b'{"code":0',
    b'{"code":0,}',
    b'{"code":0}}',
    b'{"code":0}x',
    b'{"code":"0"}',
    b'{"code":true}',
    b'{"code":-1}',
    b'{"code":0.5}',
    b'{"code":12345678901234567890}',
    b'{"code":0,"code":0}',
    b'{"code":0,"info":{"messageId":1,"messageId":2}}',
    b'{"code":0,"info":{"messageId":[1]}}',
    b'{"code":0,"info":{"messageId":' + b"1" * 65 + b"}}",
    b'{"code":0,"message":"' + b"\x01" + b'"}',
    b'{"code":0,"message":"open}',
    b'{"code":0,"message":"open\\"}',
    b'{"code":0,"x":' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"code":0,"x":]}',
    b'{"code":0 "message":1}',
    b"\xff\xfe",
    b"<html><body>busy</body></html>",
)


def _parse(data):
    answer = Answer()
    buffer = bytearray(data + b"garbage of the reply before")
    answer.parse(buffer, len(data))
    return answer


def test_answer_good_bodies_give_their_fields():
    for text, code, message, token, message_id in GOOD:
        answer = _parse(text.encode())
        assert answer.code == code, text
        assert answer.message == message, text
        assert answer.token == token, text
        assert answer.message_id == message_id, text


def test_answer_bad_bodies_are_protocol_errors():
    for data in BAD:
        try:
            answer = _parse(data)
        except ProtocolError:
            continue
        raise AssertionError((data, answer.code))


def test_answer_every_cut_of_a_body_is_a_protocol_error():
    data = GOOD[1][0].encode()
    for cut in range(len(data)):
        try:
            _parse(data[:cut])
        except ProtocolError:
            continue
        raise AssertionError(data[:cut])


def test_answer_token_that_no_header_can_carry_is_a_protocol_error():
    tokens = ("", "a b", "a\\r\\nx: y", "\u00e9", "a\\u0000", "t" * 513)
    for token in tokens:
        answer = _parse(('{"code":0,"info":{"token":"%s"}}' % token).encode())
        try:
            answer.token  # noqa: B018
        except ProtocolError:
            continue
        raise AssertionError(repr(token))
    for token in (1, "[]", "true"):
        answer = _parse(('{"code":0,"info":{"token":%s}}' % token).encode())
        try:
            answer.token  # noqa: B018
        except ProtocolError:
            continue
        raise AssertionError(token)


def test_answer_message_that_is_no_text_leaves_the_code_to_decide():
    # GBK, and no encoding at all: the words are lost, the refusal is not.
    for words in (b"\xb2\xce\xca\xfd", b"\xff\xfe"):
        answer = _parse(b'{"code":10001,"message":"%s"}' % words)
        assert answer.code == 10001
        assert answer.message == "its words are no text"


def test_answer_message_with_half_a_surrogate_pair_can_be_written_down():
    # MicroPython's json takes either half as a character, and makes UTF-8 of it that is none.
    answer = _parse(b'{"code":1,"message":"a\\ud800b\\udfffc"}')
    assert answer.message == "a?b?c"
    assert answer.message.encode() == b"a?b?c"


def test_answer_is_used_again():
    answer = _parse(GOOD[3][0].encode())
    data = bytearray(GOOD[0][0].encode())
    answer.parse(data, len(data))
    assert answer.token is None
    assert answer.message_id == "892687470447040"
