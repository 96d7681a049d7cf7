"""`Client.report`: one reading from a program without the App. Loaded for it (`loader`)."""

from .errors import LinkpostError, NetworkError
from .loader import load

_JOIN_STEP_MS = 100  # between two looks at the Wi-Fi


def steps(client, values: dict):
    """Yield what is waited for until the reading is accepted, as `client.publishing` does.

    The Link is made at the first report and stays with the client: it knows whether Wi-Fi is up,
    and when a name server of time may be asked again.
    """
    link = client.link
    if link is None:
        from .link import Link

        link = client.link = Link(client.config, client.port, client.log)
    encode = load("protocol.messages").encode_report
    encode(client.config, None, values, b"\0")  # refused before anything is joined
    encode = None
    while not link.step():
        yield -_JOIN_STEP_MS
    payload = load("protocol.messages").encode_report(
        client.config, link.unix_ms(), values, client.port.random_bytes(3)
    )
    try:
        found = yield from client.publishing(client.config.topic, payload)
    except LinkpostError as error:
        link.failed(error)
        raise
    except GeneratorExit:
        # The driver's deadline has passed, or the task was cancelled: the link may be dead.
        link.failed(NetworkError())
        raise
    link.succeeded(client.date())
    return found
