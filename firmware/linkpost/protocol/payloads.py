"""How a reading looks on the wire as `json`: one object. The thing model's form is in `alink`."""

import json

JSON = "json"
ALINK = "alink"
# The platform's limit for one payload, and so for one batch. Source: the vendor's page.
PAYLOAD_MAX_BYTES = 131_072


def encode_json(stream: str, seq: int, unix_ms, values: dict) -> str:
    """Return one reading: {"stream", "seq", "time" (Unix ms or null), ...values in order of name}.

    `values` may hold "error": {sensor name: why}.
    """
    time = "null" if unix_ms is None else unix_ms
    parts = ['{"stream":"%s","seq":%d,"time":%s' % (stream, seq, time)]
    for name in sorted(values):
        parts.append(json.dumps(name) + ":" + json.dumps(values[name]))
    return ",".join(parts) + "}"
