"""How a reading looks on the wire as `alink`: thing.event.property.post, for a thing model.

Loaded by boards with that format (`loader`). Source: the Alink protocol's property report.
"""

import json


def encode_alink(stream, seq: int, unix_ms, values: dict) -> str:
    """Return one reading as thing.event.property.post, which has no place for the stream.

    `id` is the seq; each value has its time where that is known. A thing model's bool is 0 or 1.
    Sensor errors have no place in a thing model and are left out; the board's log has them.
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
