"""config.json: defaults, every refusal by key, and no secret in any message."""

import json
import os
import sys

from linkpost import config_rules
from linkpost.config import Config
from linkpost.config_file import CHECKED_SUFFIX, first_line
from linkpost.errors import ConfigError

SECRET = "canary-secret-of-32-characters.."
GOOD = {
    "endpoint": "platform.example",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": SECRET,
}


def _with(**more):
    data = dict(GOOD)
    data.update(more)
    return data


def test_config_defaults_are_the_documented_ones():
    config = Config(GOOD)
    assert config.host == "platform.example"
    assert config.port_number == 443
    assert config.host_header == "platform.example"
    assert config.client_id == "a1B2c3D4e5F.sensor01"
    assert config.sign_method == "auto"
    assert config.format == "json"
    assert config.topic == "/a1B2c3D4e5F/sensor01/user/update"
    assert config.interval_ms == 60_000
    assert config.send_ms == 60_000
    assert config.sleep == "none"
    assert config.sensors is None  # the chip's own: `sensors.building`
    assert config.networks == []
    assert config.led_pin is None
    assert config.ntp == ["ntp.aliyun.com", "pool.ntp.org"]
    assert config.outbox_max_bytes is None
    assert config.batch_bytes == 0
    assert config.watchdog_s is None


def test_config_alink_has_the_thing_model_topic():
    config = Config(_with(format="alink"))
    assert config.topic == "/sys/a1B2c3D4e5F/sensor01/thing/event/property/post"


def test_config_topic_names_are_filled_in():
    config = Config(_with(topic="/{product_key}/{device_name}/pub"))
    assert config.topic == "/a1B2c3D4e5F/sensor01/pub"


def test_config_topic_of_the_console_or_of_a_request_is_refused_with_what_to_write():
    for topic, words in (
        ("/a1B2c3D4e5F/${deviceName}/user/update", "write {product_key} and {device_name}"),
        ("/topic/a1B2c3D4e5F/sensor01/user/update", "begins with /topic"),
    ):
        try:
            Config(_with(topic=topic))
        except ConfigError as error:
            assert error.key == "topic" and words in str(error), error
        else:
            raise AssertionError(topic)
    # A product of that name does not exist, a topic's level may have it.
    assert Config(_with(topic="/a1B2c3D4e5F/sensor01/topic/x")).topic.endswith("/topic/x")


def test_config_endpoint_as_people_paste_it_is_accepted():
    for text, host, port, header in (
        ("platform.example:8443", "platform.example", 8443, "platform.example:8443"),
        ("https://platform.example/", "platform.example", 443, "platform.example"),
        ("https://platform.example:443", "platform.example", 443, "platform.example"),
        (" 127.0.0.1:1 ", "127.0.0.1", 1, "127.0.0.1:1"),
        ("HTTPS://platform.example", "platform.example", 443, "platform.example"),
        ("Https://platform.example:8443//", "platform.example", 8443, "platform.example:8443"),
    ):
        config = Config(_with(endpoint=text))
        assert (config.host, config.port_number, config.host_header) == (host, port, header), text


def test_config_file_of_a_windows_editor_is_read_or_named():
    text = json.dumps(_with()).encode()
    assert config_rules.parse(b"\xef\xbb\xbf" + text, "config.json") == _with()
    try:
        config_rules.parse(b"\xff\xfe{\x00}\x00", "config.json")
    except ConfigError as error:
        assert "is not JSON in UTF-8" in str(error)
    else:
        raise AssertionError("UTF-16")


def test_config_wifi_one_or_several_are_networks_in_order():
    lab = {"ssid": "lab", "password": "12345678"}
    assert Config(_with(wifi=lab)).networks == [("lab", "12345678")]
    for password in ("p" * 63, "0123456789abcdef" * 3 + "0123456789ABCDEF"):
        assert Config(_with(wifi={"ssid": " ", "password": password})).networks[0] == (
            " ",
            password,
        )
    config = Config(_with(wifi=[{"ssid": "a"}, {"ssid": "b"}], country="cn", hostname="s1"))
    assert config.networks == [("a", ""), ("b", "")]
    assert config.country == "CN"
    assert config.hostname == "s1"


def test_config_country_and_hostname_beside_the_first_network_are_checked_as_anywhere():
    lab = {"ssid": "lab", "country": "cn", "hostname": "s1"}
    config = Config(_with(wifi=[lab, {"ssid": "b", "country": "US"}]))
    assert (config.country, config.hostname) == ("CN", "s1")
    assert Config(_with(wifi=lab, country="DE")).country == "DE"
    for key, value in (("country", "China"), ("country", 5), ("hostname", "a b")):
        try:
            Config(_with(wifi={"ssid": "lab", key: value}))
        except ConfigError as error:
            assert error.key == key, error
        else:
            raise AssertionError((key, value))


def test_config_send_s_follows_interval_s():
    assert Config(_with(interval_s=5)).send_ms == 5000
    config = Config(_with(interval_s=0.5, send_s=600))
    assert (config.interval_ms, config.send_ms) == (500, 600_000)


BAD = (
    ("endpoint", "http://platform.example"),
    ("endpoint", "platform.example/auth"),
    ("endpoint", "platform.example:0"),
    ("endpoint", "platform.example:99999"),
    ("endpoint", "a b"),
    ("endpoint", "platform.example:\u00b2"),
    ("endpoint", "platform.example\u200b"),
    ("endpoint", "mqtts://platform.example:8883"),
    ("endpoint", ":443"),
    ("endpoint", "a\r\nX: y"),
    ("endpoint", ""),
    ("endpoint", 5),
    ("product_key", "a/b"),
    ("product_key", ""),
    ("product_key", 'a"b'),
    ("device_name", "abc"),
    ("device_name", "a" * 33),
    ("device_name", "dev\r\nice"),
    ("device_name", "8.67E+14 "),
    ("device_secret", ""),
    ("device_secret", SECRET + "x"),
    ("device_secret", "a b"),
    ("device_secret", "hidden\u2060x"),
    ("device_secret", 12345),
    ("client_id", "x" * 65),
    ("client_id", ""),
    ("sign_method", "hmacsha256"),
    ("format", "xml"),
    ("topic", "no/slash"),
    ("topic", "/a b"),
    ("topic", 5),
    ("topic", "/a1B2c3D4e5F/${deviceName}/user/update"),
    ("topic", "/${productKey}/${deviceName}/user/update"),
    ("topic", "/{productKey}/{device_name}/user/update"),
    ("topic", "/a1B2c3D4e5F/$deviceName/user/update"),
    ("topic", "/topic/a1B2c3D4e5F/sensor01/user/update"),
    ("topic", "/topic/{product_key}/{device_name}/user/update"),
    ("interval_s", -1),
    ("interval_s", "60"),
    ("interval_s", True),
    ("interval_s", float("nan")),
    ("interval_s", float("inf")),
    ("send_s", -1),
    ("sleep", "never"),
    ("sensors", []),
    ("sensors", {"type": "onchip"}),
    ("sensors[0].name", [{"type": "onchip", "name": "a b"}]),
    ("sensors[0].name", [{"type": "onchip", "name": 4}]),
    ("sensors[0].type", [{"pin": 4}]),
    ("sensors[0].type", [{"type": 4}]),
    ("sensors[0].type", [{"type": ["onchip"]}]),
    ("sensors[0].type", [{"type": ""}]),
    ("sensors[0].type", [{"type": "../main"}]),
    ("sensors[0].type", [{"type": "user.a/b"}]),
    ("sensors[0].type", [{"type": "user.\u00e4"}]),
    ("wifi", "lab"),
    ("wifi.ssid", {"password": "12345678"}),
    ("wifi.password", {"ssid": "lab", "password": 0}),
    ("wifi.password", {"ssid": "lab", "password": "1234567"}),
    ("wifi.password", {"ssid": "lab", "password": "g" * 64}),
    ("wifi.password", {"ssid": "lab", "password": "0" * 63 + " "}),
    ("wifi.password", {"ssid": "lab", "password": "0" * 65}),
    ("wifi.password", {"ssid": "lab", "password": "\u00e4" * 32}),  # 64 bytes
    ("wifi.pass", {"ssid": "lab", "pass": "12345678"}),
    ("wifi[1].ssid", [{"ssid": "lab"}, {"ssid": ""}]),
    ("country", "China"),
    ("hostname", "a b"),
    ("ntp", "pool.ntp.org"),
    ("outbox", 5),
    ("outbox.max_bytes", {"max_bytes": 1}),
    ("outbox.batch_bytes", {"batch_bytes": 131_073}),
    ("outbox.batch", {"batch": 1}),
    ("watchdog_s", "8"),
    ("grow_heap", "false"),
    ("grow_heap", 0),
    ("intervall_s", 5),
)


def test_config_every_bad_value_is_refused_by_its_key():
    for key, value in BAD:
        data = dict(GOOD)
        data[key.split(".")[0].split("[")[0]] = value
        try:
            Config(data)
        except ConfigError as error:
            assert error.key == key, (key, value, error)
            assert str(error).startswith(key + ": "), error
            assert SECRET not in str(error), error
            assert "12345678" not in str(error), error
            continue
        raise AssertionError((key, value))


def test_config_missing_keys_are_named():
    for key in GOOD:
        data = dict(GOOD)
        del data[key]
        try:
            Config(data)
        except ConfigError as error:
            assert error.key == key
            assert "missing" in str(error)
            continue
        raise AssertionError(key)


def test_config_that_is_no_object_is_refused():
    for data in (None, [], "x", 5):
        try:
            Config(data)
        except ConfigError:
            continue
        raise AssertionError(data)


def test_config_load_says_what_is_wrong_with_the_file():
    path = "test_config.tmp.json"
    try:
        Config.load("no_such_file.json")
    except ConfigError as error:
        assert "provision" in str(error)
    else:
        raise AssertionError("loaded")
    for data in (b"", b"{", b"\xfd", json.dumps(GOOD).encode() + b"}}"):
        with open(path, "wb") as file:
            file.write(data)
        try:
            Config.load(path)
        except ConfigError as error:
            assert "JSON" in str(error), data
        else:
            raise AssertionError(data)
    with open(path, "wb") as file:
        file.write(json.dumps(GOOD).encode())
    assert Config.load(path).device_name == "sensor01"
    os.remove(path)


class _Port:
    can_deep_sleep = False
    can_light_sleep = True
    watchdog_max_ms = 8388


def test_config_check_port_refuses_what_the_chip_cannot():
    Config(_with(sleep="light", watchdog_s=8)).check_port(_Port)
    for key, value in (("sleep", "deep"), ("watchdog_s", 9)):
        try:
            Config(_with(**{key: value})).check_port(_Port)
        except ConfigError as error:
            assert error.key == key
            continue
        raise AssertionError(key)


def test_config_check_port_refuses_a_led_pin_that_is_none():
    class NoPins(_Port):
        @staticmethod
        def led(pin):
            # As machine.Pin refuses a number or a name, and what is neither.
            raise ValueError("invalid pin") if isinstance(pin, (int, str)) else TypeError("no pin")

    for pin in (48, -1, "D5", [1], 2.5):
        try:
            Config(_with(led_pin=pin)).check_port(NoPins)
        except ConfigError as error:
            assert error.key == "led_pin" and "pin" in str(error)
        else:
            raise AssertionError("taken")


# -- what the tools' check leaves beside config.json ----------------------------------------------

_PATH = "test_config.tmp.json"
_BUILD = getattr(sys.implementation, "_build", sys.platform)
# Not what the rules make of GOOD: so it shows where a value comes from.
_VALUES = json.dumps({"device_name": "checked", "interval_ms": 1}).encode()


def _load_beside(text, beside):
    for path, content in ((_PATH, text), (_PATH + CHECKED_SUFFIX, beside)):
        with open(path, "wb") as file:
            file.write(content)
    try:
        return Config.load(_PATH)
    finally:
        os.remove(_PATH)
        os.remove(_PATH + CHECKED_SUFFIX)


def test_config_that_was_checked_is_taken_as_it_is_with_its_secrets():
    data = _with(wifi=[{"ssid": "a", "password": "12345678"}, {"ssid": "b"}])
    text = json.dumps(data).encode()
    config = _load_beside(text, first_line(text, _VALUES, _BUILD) + b"\n" + _VALUES)
    assert config.device_name == "checked" and config.interval_ms == 1
    assert config.device_secret == SECRET
    assert config.networks == [("a", "12345678"), ("b", "")]
    config.check_port(None)  # nothing is asked: that was done, too


def test_config_beside_which_anything_else_stands_is_checked_here():
    text = json.dumps(GOOD).encode()
    good = first_line(text, _VALUES, _BUILD) + b"\n" + _VALUES
    edited = json.dumps(_with(interval_s=5)).encode()
    for config, beside in (
        (edited, good),
        (text, b""),
        (text, good[:-1]),
        (text, good + b" "),
        (text, first_line(text, _VALUES, "another board") + b"\n" + _VALUES),
        (text, b"0.0.9" + good[5:]),
        (text, good.replace(b"checked", b"chosen")),
        (text, good.replace(b"\n", b" ")),
        (text, b"\xff" * 700),
        (text, b"x" * 9000),
    ):
        loaded = _load_beside(config, beside)
        assert loaded.device_name == "sensor01", beside
        assert loaded.interval_ms == (5000 if config is edited else 60_000)


def test_config_edited_on_the_board_has_its_clear_error():
    text = json.dumps(GOOD).encode()
    beside = first_line(text, _VALUES, _BUILD) + b"\n" + _VALUES
    for edited, words in (
        (json.dumps(_with(intervall_s=5)).encode(), "intervall_s: no such key"),
        (text[:-1], "is not JSON"),
    ):
        try:
            _load_beside(edited, beside)
        except ConfigError as error:
            assert words in str(error), error
        else:
            raise AssertionError(edited)


def test_config_repr_shows_no_secret():
    config = Config(_with(wifi={"ssid": "lab", "password": "12345678"}))
    assert SECRET not in repr(config) + str(config)
