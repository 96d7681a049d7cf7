"""What a person reads on the board's log when something goes wrong: each line says what to do."""

import errno

import fakes_chip
from linkpost import errors
from linkpost.net import failures, tls_failures
from linkpost.protocol import refusals
from test_link import World


def tls_messages(sentence):
    error = tls_failures.tls_error(ValueError("\n%s\n" % sentence), "iot.example", False, 0)
    return str(error)


def test_authentication_refused_has_the_order_of_checks():
    words = str(errors.AuthError(20000, refusals.refused("0123456789abcdefghijklmnopqrWXYZ")))
    assert words == (
        "Authentication refused. Check in this order: endpoint belongs to this device's instance; "
        "product_key; device_name; device_secret (ends in ..WXYZ); device enabled (20000)"
    )
    # Of a short secret, four characters would be too much.
    assert "ends in" not in refusals.refused("12345678901WXYZ")


def test_unknown_anchor_names_the_two_commands():
    words = tls_messages("The certificate is not correctly signed by the trusted CA")
    assert words == (
        "iot.example: the certificate is not signed by a root on this board. "
        "Run: linkpost certs --check. Emulator? linkpost deploy --ca ca.pem"
    )
    assert str(tls_failures.no_anchor()).endswith("Run: linkpost deploy")


def test_certificate_of_another_time_shows_the_boards_date():
    for sentence in (
        "The certificate validity starts in the future",
        "The certificate validity has expired",
    ):
        words = tls_messages(sentence)
        assert "by the board's clock, which shows 1970-01-01 (UTC)" in words
        assert words.endswith("NTP needs UDP 123 open")


def test_clock_not_set_says_what_it_shows_and_who_did_not_answer():
    for make_chip in (fakes_chip.ESP32Chip, fakes_chip.RP2Chip):
        world = World(make_chip, answers=False)
        try:
            world.join()
            (said,) = [said for said in world.log.said if said[0] == "clock"]
        finally:
            world.server.close()
        assert said[:3] == ("clock", "not set by NTP", "shows")
        assert said[3].startswith("20") and len(said[3]) == 10
        assert "%s (no answer). Is UDP 123 blocked?" % world.server.name in str(said[5])


def test_name_not_found_says_what_to_look_at():
    words = str(failures.dns_error(OSError(-2), "iot.example"))
    assert words == (
        "The name iot.example was not found (-2). Check the endpoint, letter by letter, and that "
        "this network reaches the internet"
    )


def test_throttled_says_how_to_ask_less():
    words = str(errors.ThrottledError(40000, refusals.throttled("too many requests")))
    assert words.startswith("too many requests: ")
    for key in ("interval_s", "send_s", "outbox.batch_bytes", "40000"):
        assert key in words


def test_refused_port_and_silence_are_told_apart():
    for number, words in (
        (errno.ECONNREFUSED, "nothing listens on the endpoint's port"),
        (errno.ETIMEDOUT, "does not answer"),
    ):
        assert words in str(failures.network_error(OSError(number, "x"), "iot.example"))
