"""The finder of secrets finds them: what looks for leaks has to see one."""

import base64
import html
import json
import urllib.parse

import markers
import pytest

ALL = (
    markers.SECRET,
    markers.WRONG_SECRET,
    markers.NEW_SECRET,
    markers.WIFI_PASSWORD,
    markers.CONSOLE_PASSWORD,
    markers.PRODUCT_SECRET,
)
FORMS = {
    "plain": lambda text: text.encode(),
    "json": lambda text: json.dumps({"a": [text]}).encode(),
    "json in json": lambda text: json.dumps(json.dumps(text)).encode(),
    "repr": lambda text: repr(["x", text]).encode(),
    "html": lambda text: html.escape(text).encode(),
    "url": lambda text: urllib.parse.urlencode({"a": text}).encode(),
    "path": lambda text: urllib.parse.quote(text, safe="").encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "dump": lambda text: text.encode().hex(" ").encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64, one before": lambda text: base64.b64encode(b"x" + text.encode() + b"xyz"),
    "base64, two before": lambda text: base64.b64encode(b"xy" + text.encode() + b"x"),
    "base64 of URLs": lambda text: base64.urlsafe_b64encode(text.encode()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", ALL)
def test_secret_is_found_whole_and_in_part_in_each_form(secret, form):
    encode = FORMS[form]
    assert markers.find(b"..." + encode(secret) + b"...", ALL) == [secret]
    # Base64 and hex of a part cut in any place still show what lies whole within.
    assert markers.find(b"..." + encode(secret[5:18]) + b"...", ALL) == [secret]


@pytest.mark.parametrize("secret", ALL)
def test_ending_of_four_and_its_stars_are_no_leak(secret):
    shown = f"device_secret (ends in ..{secret[-4:]}) {'*' * len(secret)} {secret[:7]}"
    assert markers.find(shown, ALL) == []
