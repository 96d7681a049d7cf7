"""The SQL of `queries`: each statement is shown by a test to use an index."""

from __future__ import annotations

MAX_INT = 2**63 - 1
WHOLE = 2**31 - 1  # bytes
_TEXT_MAX = 200
IS_DEVICE = " WHERE device.product_key = ? AND device.device_name = ?"
_DEVICE_ID = "(SELECT id FROM device WHERE product_key = ? AND device_name = ?)"
REFUSALS = "SELECT device_id, code, count FROM device CROSS JOIN refusal ON device_id = device.id"
_VALID_TOKEN = "FROM token WHERE token.device_id = device.id AND token.expires_ms > now.ms"  # noqa: S105
DEVICES = f"""
WITH now (ms) AS (VALUES (?))
SELECT device.id, product_key, device_name, enabled, activated, proven_ms, authentications,
    last_seen_ms,
    last_code, last_reason,
    (SELECT max(issued_ms) {_VALID_TOKEN}), (SELECT max(expires_ms) {_VALID_TOKEN}),
    accepted, auth_requests, topic_requests,
    (SELECT ifnull(sum(duplicates), 0) FROM stream WHERE stream.device_id = device.id),
    (SELECT ifnull(sum(last - first + 1 - received), 0) FROM stream
     WHERE stream.device_id = device.id)
FROM now CROSS JOIN device"""  # noqa: S608
STREAMS = f"""
SELECT name, first, last, received, duplicates, last - first + 1 - received, last_ms
FROM stream WHERE device_id = {_DEVICE_ID} ORDER BY last_ms DESC, id DESC LIMIT ?"""  # noqa: S608
PRODUCTS = """
SELECT product_key, registration,
    (SELECT count(*) FROM device WHERE device.product_key = product.product_key),
    (SELECT ifnull(sum(activated), 0) FROM device WHERE device.product_key = product.product_key)
FROM product ORDER BY id"""
# One step of the index per topic, however many messages each has.
TOPICS = """
WITH RECURSIVE known (topic) AS (
    SELECT min(topic) FROM message
    UNION ALL
    SELECT (SELECT min(topic) FROM message WHERE message.topic > known.topic)
    FROM known WHERE known.topic IS NOT NULL
) SELECT topic FROM known LIMIT ?"""
_MESSAGES = """
SELECT message.id, product_key || '/' || device_name, topic, time_ms, code, fault, reason,
    length(payload), ifnull(substr(payload, 1, ?), x'')
FROM message LEFT JOIN device ON device.id = device_id"""
MESSAGE = f"{_MESSAGES} WHERE message.id = ?"
WIRE = "SELECT request, reply FROM wire WHERE id = ?"
_AUTHENTICATIONS = """
SELECT authentication.id, product_key || '/' || device_name, claimed, time_ms, code, fault,
    sign_method, client_id, reason
FROM authentication LEFT JOIN device ON device.id = device_id"""
SERIES = f"SELECT id, name FROM series WHERE device_id = {_DEVICE_ID} ORDER BY name"  # noqa: S608
SERIES_SPAN = (
    "SELECT count(*), min(time_ms), max(time_ms) FROM value WHERE series_id = ? AND time_ms >= ?"
)
POINTS = "SELECT time_ms, value FROM value WHERE series_id = ? AND time_ms >= ? ORDER BY time_ms"
# Beside min() or max(), SQLite takes the other columns from the row that has it.
THINNED = """
SELECT time_ms, value FROM (
    SELECT time_ms, min(value) AS value FROM value
    WHERE series_id = :id AND time_ms >= :since GROUP BY time_ms / :width
    UNION
    SELECT time_ms, max(value) FROM value
    WHERE series_id = :id AND time_ms >= :since GROUP BY time_ms / :width
) ORDER BY time_ms"""


def message_query(
    device: str | None,
    topic: str | None,
    code: int | None,
    text: str | None,
    before: int | None,
    *,
    after: int | None = None,
) -> tuple[str, tuple[object, ...]]:
    """Return SQL and values; the payload's bytes wanted come before them, the limit after.

    Args: `after` is for the oldest first, `before` for the newest first.
    """
    where = ["message.id > ?" if after is not None else "message.id < ?"]
    values: list[object] = [after if after is not None else before or MAX_INT]
    if device is not None:
        where.append(f"message.device_id = {_DEVICE_ID}")
        values += split(device)
    if topic is not None:
        # With a device given, its own index is the better one: the + keeps SQLite off the other.
        where.append("+message.topic = ?" if device is not None else "message.topic = ?")
        values.append(topic)
    if code is not None:
        lone = device is not None or topic is None
        where.append("message.code = ?" if lone else "+message.code = ?")
        values.append(code)
    if text is not None:
        where.append("CAST(payload AS TEXT) LIKE ? ESCAPE '!'")
        escaped = text[:_TEXT_MAX].replace("!", "!!").replace("%", "!%").replace("_", "!_")
        values.append(f"%{escaped}%")
    order = "ASC" if after is not None else "DESC"
    return f"{_MESSAGES} WHERE {' AND '.join(where)} ORDER BY message.id {order} LIMIT ?", (
        *values,
    )


def authentication_query(
    device: str | None, code: int | None, before: int | None
) -> tuple[str, tuple[object, ...]]:
    """Return SQL and values; the limit comes after them."""
    where = ["authentication.id < ?"]
    values: list[object] = [before or MAX_INT]
    if device is not None:
        where.append(f"device_id = {_DEVICE_ID}")
        values += split(device)
    if code is not None:
        where.append("code = ?")
        values.append(code)
    return (
        f"{_AUTHENTICATIONS} WHERE {' AND '.join(where)} ORDER BY authentication.id DESC LIMIT ?",
        (*values,),
    )


def split(device: str) -> tuple[str, str]:
    product_key, _, device_name = device.partition("/")
    return product_key, device_name
