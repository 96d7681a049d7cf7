"""How a reading looks on the wire as `json`: one object. The thing model's form is in `alink`.

The App keeps the one function of the two that its format needs; else loaded (`loader`).
"""

import json


def encode_json(stream, seq, unix_ms, values: dict) -> str:
    """Return one reading: {"stream", "seq", "time" (Unix ms or null), ...values in order of name}.

    `values` may hold "error": {sensor name: why}. Without a stream (None) the first two are left
    out: such a reading was never stored.
    """
    head = "{" if stream is None else '{"stream":"%s","seq":%d,' % (stream, seq)
    parts = ['%s"time":%s' % (head, "null" if unix_ms is None else unix_ms)]
    for name in sorted(values):
        parts.append(json.dumps(name) + ":" + json.dumps(values[name]))
    return ",".join(parts) + "}"
