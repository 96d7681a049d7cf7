"""Values that would begin a header of their own: from the config, the caller and the flash.

Those that the platform gives, tokens, are rows of test_hostile_platform.py.
"""

from __future__ import annotations

import json

import pytest
from hostile_platform import DN, PK, board_in, config_for


@pytest.fixture(scope="module")
def board(folder, platform):
    with board_in(folder / "board", config_for(platform.port)) as board:
        yield board


INJECTED = "\r\nX-Injected: 1"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("endpoint", f"localhost{INJECTED}"),
        ("endpoint", f"localhost:443{INJECTED}"),
        ("product_key", f"a1{INJECTED}"),
        ("device_name", f"sensor{INJECTED}"),
        ("device_secret", f"secret{INJECTED}"),
        ("topic", f"/a1/user/update HTTP/1.1{INJECTED}"),
        ("topic", "/a1/user\n"),
        ("topic", "/{product_key}/\x00"),
        ("sign_method", f"hmacmd5{INJECTED}"),
        ("hostname", f"board{INJECTED}"),
    ],
)
def test_config_with_a_line_end_is_a_config_error_that_says_the_key(board, key, value):
    error = board.ask("config_error", values={key: value})["error"]
    assert error.startswith(f"ConfigError: {key}: "), error
    assert "\r" not in error
    assert "\n" not in error


def test_topic_with_a_line_end_sends_nothing(board, platform):
    platform.requests = []
    topic = f"/{PK}/{DN}/user/update HTTP/1.1{INJECTED}"
    answer = board.ask("publish", zeros=1, topic=topic, deadline_ms=15_000)
    assert answer["error"] == "ConfigError", answer
    assert platform.requests == []


def test_client_id_with_a_line_end_stays_inside_its_json(folder, platform):
    config = config_for(platform.port, client_id=f"any text{INJECTED}\r\n\r\n")
    platform.begin(None)
    platform.requests = []
    with board_in(folder / "other", config) as board:
        assert board.ask("send", deadline_ms=30_000)["error"] is None
    head, _, body = platform.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /auth ")
    assert b"Injected" not in head
    assert json.loads(body)["clientId"] == config["client_id"]


@pytest.mark.parametrize("token", [f"6944e5{INJECTED}", "a b", "a\x00", "\x7f", ""])
def test_token_on_flash_that_no_header_can_carry_is_no_token(board, token):
    assert board.ask("keep_token", token="6944e5bf")["token"] == "6944e5bf"
    assert board.ask("keep_token", token=token)["token"] is None
