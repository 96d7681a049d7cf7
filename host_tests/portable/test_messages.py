"""What a person reads on the board's log when something goes wrong: each line says what to do."""

import errno

import fakes_chip
from linkpost.protocol import refusals
from test_failures import explained
from test_link import World


def tls_messages(sentence):
    return str(explained(ValueError("\n%s\n" % sentence), 2))


def refusal(code, topic, secret=""):
    return str(refusals.of_code({"code": code, "message": "too many requests"}, topic, secret))


def test_authentication_refused_has_the_order_of_checks():
    words = refusal(20000, None, "0123456789abcdefghijklmnopqrWXYZ")
    assert words == (
        "Authentication refused. Check in this order: endpoint belongs to this device's instance; "
        "product_key; device_name; device_secret (ends in ..WXYZ); device enabled (20000)"
    )
    # Of a short secret, four characters would be too much.
    assert "ends in" not in refusal(20000, None, "12345678901WXYZ")


def test_unknown_anchor_names_the_two_commands():
    words = tls_messages("The certificate is not correctly signed by the trusted CA")
    assert words == (
        "iot.example: The certificate is not correctly signed by the trusted CA. "
        "Run: linkpost certs --check. Emulator? linkpost deploy --ca ca.pem"
    )


def test_certificate_of_another_time_shows_the_boards_date():
    for sentence in (
        "The certificate validity starts in the future",
        "The certificate validity has expired",
    ):
        words = tls_messages(sentence)
        assert words.endswith(sentence + ". The board's clock shows 2000-01-01 (UTC)")


def test_clock_not_set_says_who_did_not_answer():
    for make_chip in (fakes_chip.ESP32Chip, fakes_chip.RP2Chip):
        world = World(make_chip, answers=False)
        try:
            world.join()
            (said,) = [said for said in world.log.said if said[0] == "clock"]
        finally:
            world.server.close()
        assert said[:3] == ("clock", "not set by NTP", "why")
        assert "%s (no answer). Is UDP 123 blocked?" % world.server.name in said[3]


def test_name_not_found_says_what_to_look_at():
    words = str(explained(OSError(-2), 0))
    assert words == "iot.example: name not found: -2. Check endpoint and network"


def test_throttled_says_how_to_ask_less():
    words = refusal(40000, "/pk1/dev1/user/update")
    assert words.startswith("too many requests: ")
    for key in ("interval_s", "send_s", "outbox.batch_bytes", "40000"):
        assert key in words


def test_refused_port_and_silence_are_told_apart():
    for number, words in (
        (errno.ECONNREFUSED, "iot.example: nothing listens on that port: "),
        (errno.ETIMEDOUT, "iot.example: connection failed: "),
    ):
        assert str(explained(OSError(number, "x"), 1)).startswith(words)
