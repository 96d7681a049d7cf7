"""What `linkpost send` runs: the firmware's own client publishes one message.

The current folder holds `certs`; a token lives as long as that folder.
"""

import json
import os

import virtual_control


def main(options):
    """Publish; says `sent` with the message id, or `failed` with the error's class and text."""
    try:
        virtual_control.say("sent", message_id=_publish(options))
    except Exception as error:
        virtual_control.say(
            "failed",
            error=type(error).__name__,
            message=str(error),
            reason=getattr(error, "reason", None),
            topic=options["topic"],
        )


def _publish(options):
    from linkpost import Client, Config

    config = Config.load(options["config"])
    client = Client(config)
    if options["topic"] is None:
        options["topic"] = config.topic
    with open(options["payload"], "rb") as payload:
        # What fits into a request's buffer goes as bytes; a file streams.
        message_id = client.publish(
            options["topic"], payload if options["streams"] else payload.read()
        )
    client.close()
    return message_id


if __name__ == "__main__":
    main(json.loads(os.getenv("LINKPOST_OPTIONS", "{}")))
