"""How a reading looks on the wire: `json` (one object) or `alink` (thing model)."""

import json

JSON = "json"
ALINK = "alink"
# The platform's limit for one payload, and so for one batch. Source: the vendor's page.
PAYLOAD_MAX_BYTES = 131_072


def encode_json(stream: str, seq: int, unix_ms, values: dict) -> str:
    """Return one reading: {"stream", "seq", "time" (Unix ms or null), ...values in order of name}.

    `values` may hold "error": {sensor name: why}.
    """
    parts = ['{"stream":"%s","seq":%d,"time":%s' % (stream, seq, _time(unix_ms))]
    for name in sorted(values):
        parts.append(json.dumps(name) + ":" + json.dumps(values[name]))
    return ",".join(parts) + "}"


def encode_alink(seq: int, unix_ms, values: dict) -> str:
    """Return one reading as thing.event.property.post.

    `id` is the seq; each value has its time where that is known. A thing model's bool is 0 or 1.
    Sensor errors have no place in a thing model and are left out; the board's log has them.
    Source: the Alink protocol's property report.
    """
    params = []
    for name in sorted(values):
        value = values[name]
        if name == "error":
            continue
        if value is True or value is False:
            value = int(value)
        time = "" if unix_ms is None else ',"time":%d' % unix_ms
        params.append('%s:{"value":%s%s}' % (json.dumps(name), json.dumps(value), time))
    return '{"id":"%d","version":"1.0","params":{%s},"method":"thing.event.property.post"}' % (
        seq,
        ",".join(params),
    )


def _time(unix_ms):
    return "null" if unix_ms is None else "%d" % unix_ms
