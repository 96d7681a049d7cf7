"""What a topic may look like before it becomes part of a request line."""

from ..errors import ConfigError

# Bytes; the platform's limit for a topic, MQTT's wildcards and HTTP's query marker excluded.
TOPIC_MAX_BYTES = 128
_REFUSED = "?#+ "


def check_topic(topic: str) -> None:
    """Raise ConfigError unless `topic` can be published to.

    A topic starts with one slash (`/topic` + topic must not give `/topic//`) and has no `?`
    (query strings are not supported), no `#` or `+` (wildcards are for subscriptions), and nothing
    but printable ASCII: a CR or LF would end the request line. The platform answers 30001 to the
    console's own `${deviceName}`, and to what the page shows as the request's path, `/topic/...`.
    """
    if not isinstance(topic, str) or not topic.startswith("/"):
        raise ConfigError("topic", "starts with a slash: /{product_key}/{device_name}/...")
    if len(topic) > TOPIC_MAX_BYTES:
        raise ConfigError(
            "topic", "%d characters; at most %d bytes" % (len(topic), TOPIC_MAX_BYTES)
        )
    if topic.startswith("//") or len(topic) < 2:
        raise ConfigError("topic", "needs a name after its first slash")
    if topic.startswith("/topic/"):
        raise ConfigError("topic", "begins with /topic, which the request adds; leave that out")
    for character in topic:
        if character in "{$}":
            raise ConfigError(
                "topic",
                "has %r; write {product_key} and {device_name} for the names, as in the README"
                % character,
            )
        if character in _REFUSED or not "!" <= character <= "~":
            raise ConfigError(
                "topic", "has %r; no spaces, ? # + or characters outside ASCII" % character
            )
