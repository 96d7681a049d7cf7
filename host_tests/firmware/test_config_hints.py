"""What people paste into a config is refused by the firmware's rule, and told as what it is."""

from __future__ import annotations

import pytest
from linkpost.config import Config
from linkpost.errors import ConfigError

from tools.firmware.config_hints import check_endpoint, check_rules, odd_character

GOOD = {
    "endpoint": "platform.example",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "0123456789abcdef",
}
PASTED = [
    ({"endpoint": "platform.example:443/auth"}, "leave out the path behind the host"),
    ({"endpoint": "https://platform.example/auth"}, "leave out the path behind the host"),
    ({"endpoint": "HTTP://platform.example"}, "not HTTP://, linkpost speaks HTTPS only"),
    ({"endpoint": "mqtts://platform.example:8883"}, "not mqtts://"),
    ({"endpoint": "platform.example:99999"}, "a port is 1 to 65535"),
    ({"endpoint": "platform.example\u200b"}, "character 17 is U+200B"),
    ({"endpoint": "platform example:443"}, "character 9 is a space"),
    ({"endpoint": "a1pk.iot-as-mqtt.cn-shanghai.aliyuncs.com:1883"}, "is the one for MQTT"),
    ({"endpoint": "iot-06z00abc.mqtt.iothub.aliyuncs.com"}, "is the one for MQTT"),
    ({"product_key": "a1B2c3D4e5F\ufeff"}, "character 12 is U+FEFF"),
    ({"device_name": "sensor01 "}, "character 9 is a space"),
    ({"device_name": "\u00adsensor01"}, "character 1 is U+00AD"),
    ({"device_secret": "hidden\u2060x"}, "character 7 is U+2060"),
    ({"wifi": {"ssid": "lab", "password": "hidden!"}}, "63 bytes, or 64 hex digits; left out"),
    ({"wifi": [{"ssid": "lab", "password": "hidden" * 20}]}, "wifi[0].password: must be text of"),
    ({"DeviceName": "sensor01"}, "DeviceName: is called device_name"),
    ({"deviceSecret": "hidden"}, "deviceSecret: is called device_secret"),
    ({"EndPoint": "x"}, "EndPoint: is called endpoint"),
    *(
        ({"sensors": [{"type": kind}]}, "sensors[0].type: must be one of: aht20, analog, ")
        for kind in ("bme999", "building", "user.", "user.a.b", "user.1a", "users.soil")
    ),
    ({"sensors": [{"type": "onchip"}, {"type": "onchip"}]}, "sensors[1].name: is needed"),
    (
        {"sensors": [{"type": "onchip", "name": "a"}, {"type": "onchip", "name": "a"}]},
        "sensors[1].name: is needed: another onchip has the same",
    ),
]


@pytest.mark.parametrize(("changes", "words"), PASTED)
def test_what_people_paste_is_refused_in_the_right_words(changes, words):
    with pytest.raises(ConfigError) as caught:
        check_rules({**GOOD, **changes})
    assert words in str(caught.value)
    assert str(caught.value).startswith(caught.value.key)
    assert "hidden" not in str(caught.value)


def test_firmwares_own_words_stand_first():
    for config in ({**GOOD, "device_name": "sensor01 "}, {**GOOD, "endpoint": "http://x"}):
        with pytest.raises(ConfigError) as firmwares:
            Config(config)
        with pytest.raises(ConfigError) as ours:
            check_rules(config)
        assert str(ours.value).startswith(f"{firmwares.value}; ")


def test_consoles_own_json_is_named_before_what_is_missing():
    console = {"ProductKey": "a1B2c3D4e5F", "DeviceName": "sensor01", "DeviceSecret": "hidden"}
    with pytest.raises(ConfigError, match="^ProductKey: is called product_key in config.json$"):
        check_rules(console)


@pytest.mark.parametrize("config", [None, [], "x", {}, {**GOOD, "endpoint": 5}])
def test_what_has_no_hint_is_refused_as_by_the_firmware(config):
    with pytest.raises(ConfigError) as firmwares:
        Config(config)
    with pytest.raises(ConfigError) as ours:
        check_rules(config)
    assert str(ours.value) == str(firmwares.value)


def test_what_is_right_is_the_firmwares_config():
    sensors = [{"type": "onchip"}, {"type": "onchip", "name": "b"}, {"type": "system"}]
    config = {**GOOD, "sensors": sensors}
    assert vars(check_rules(config)) == vars(Config(config))


def test_endpoint_by_itself_has_the_same_words_with_its_own_name():
    assert check_endpoint("--endpoint", " https://platform.example/ ") == "platform.example"
    for endpoint, words in (
        ("platform.example/auth", "--endpoint: must be 1 to .*; leave out the path"),
        ("iot-06z00abc.mqtt.iothub.aliyuncs.com", "--endpoint: is the one for MQTT"),
        ("platform.exam\u00a0ple", "; character 14 is U\\+00A0"),
    ):
        with pytest.raises(ConfigError, match=words):
            check_endpoint("--endpoint", endpoint)


@pytest.mark.parametrize("key", ["hostname", "topic", "client_id", "wifi", "x"])
def test_half_a_character_is_refused_wherever_it_stands(key):
    value = {"ssid": "a\ud800"} if key == "wifi" else "a\ud800"
    with pytest.raises(ConfigError, match=r"half a character, U\+D800"):
        check_rules({**GOOD, key: value})
    with pytest.raises(ConfigError, match=r"^--host: half a character, U\+DC80"):
        check_endpoint("--host", "iot\udc80.example")


def test_odd_character_is_none_where_all_can_be_seen():
    assert odd_character("aZ0!~") == ""
