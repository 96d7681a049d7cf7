"""How a reading looks on the wire."""

import json

from linkpost.protocol.alink import encode_alink
from linkpost.protocol.payloads import encode_json


def test_json_reading_is_the_documented_object():
    text = encode_json("9f2c41aa", 17, 1524448722000, {"temperature": 23.5, "door": True})
    assert text == (
        '{"stream":"9f2c41aa","seq":17,"time":1524448722000,"door":true,"temperature":23.5}'
    )


def test_json_reading_without_time_or_with_an_error_stays_json():
    text = encode_json("9f2c41aa", 1, None, {"error": {"dht": 'checksum "x"'}, "n\n": "a\r\n"})
    reading = json.loads(text)
    assert reading["time"] is None
    assert reading["error"] == {"dht": 'checksum "x"'}
    assert reading["n\n"] == "a\r\n"


def test_alink_reading_is_a_property_post():
    post = json.loads(
        encode_alink(None, 17, 1524448722000, {"t": 23.5, "door": True, "error": {"dht": "x"}})
    )
    assert post == {
        "id": "17",
        "version": "1.0",
        "method": "thing.event.property.post",
        "params": {
            "t": {"value": 23.5, "time": 1524448722000},
            "door": {"value": 1, "time": 1524448722000},
        },
    }


def test_alink_reading_without_time_leaves_it_out():
    post = json.loads(encode_alink(None, 1, None, {"t": 1}))
    assert post["params"] == {"t": {"value": 1}}
