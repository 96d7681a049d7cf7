"""The policy, without IO: which request comes next, and what each reply or failure means.

In the manner of h11, a session opens nothing and never sleeps. Whoever drives it does what the
action says and reports back, until the action is one of the four ends:

    action = session.publish(topic, length)
    while action in (SEND_AUTH, SEND_TOPIC):
        (wait session.wait_ms, send what request_into() writes, read the reply)
        action = session.answer(reply)      or      session.failed(error, ...)

    SEND_AUTH   send POST /auth
    SEND_TOPIC  send POST /topic/..., with the body
    DONE        accepted; `message_id` says as what
    LATER       not accepted now: keep the message, back off; `error` says why
    REFUSED     this message is refused; `error`. Quarantine is the caller's decision: only after
                a later message was accepted, for the topic may be wrong for all
    STOP        a person has to act: authentication refused; `error`

Rules (PROTOCOL.md, "What to do with each code"), for one message:
  1. A dead token (20001, 20002, 20003) is dropped; then one authentication and one re-send. Where
     the fresh token is refused as well, LATER. It is kept then: it is no deader than the next.
  2. 30001 is tried once more, after a pause; then REFUSED.
  3. A kept connection that fails before the first byte of the reply is replaced, once. The peer
     may close an idle connection at any time, and did not read a request that met its close.
  4. Everything else that is not code 0 ends in LATER, with the token kept.
So a message costs at most two authentications and four requests on topics, in any world.
"""

from micropython import const

from ..errors import (
    AuthError,
    NetworkError,
    RejectedError,
    ServiceError,
    ThrottledError,
    TokenError,
)
from ..loader import load
from .http import encode_head, finish_head
from .replies import Answer

SEND_AUTH = const(1)
SEND_TOPIC = const(2)
DONE = const(3)
LATER = const(4)
REFUSED = const(5)
STOP = const(6)

# The code table: the one place that knows the numbers. Source: the vendor's page, tables 3 and 5.
ACCEPTED = const(0)
PARAM_ERROR = const(10001)
AUTH_CHECK_ERROR = const(20000)
TOKEN_EXPIRED = const(20001)
TOKEN_UNKNOWN = const(20003)
PUBLISH_ERROR = const(30001)
TOO_MANY_REQUESTS = const(40000)

# Pause before 30001 is tried once more, ms.
_RETRY_PAUSE_MS = const(2000)


class Credentials:
    """Who the device is, and where. No repr shows the secret."""

    def __init__(self, host, product_key, device_name, device_secret, client_id, sign_method):
        self.host = host  # as in the Host header: with the port unless it is 443
        self.product_key = product_key
        self.device_name = device_name
        self.device_secret = device_secret
        self.client_id = client_id
        self.sign_method = load("protocol.signing").choose_method(sign_method)


class Session:
    """One message after the other; see the module's docstring.

    Args: credentials; token as stored (str) or None.
    Attributes: token (str or None), token_changed (a new one is to be stored; the driver sets it
    back), wait_ms (pause before the next request), error (LinkpostError of the last end that was
    not DONE), message_id (str of all digits, or None where the reply had none).
    """

    def __init__(self, credentials, token=None):
        self._credentials = credentials
        self.token = token
        self.token_changed = False
        self._answer = Answer()
        self._topic = None
        self._head = None  # of the topic request up to the length, for `_topic` and `token`
        self._begin(0)

    def _begin(self, length):
        self._length = length
        self._action = DONE
        self._renewed = False
        self._retried = False
        self._replaced = False
        self.wait_ms = 0
        self.error = None
        self.message_id = None

    def publish(self, topic: str, length: int) -> int:
        """Begin a message of `length` bytes; return the first action.

        Raises: ConfigError where the topic cannot be published to.
        """
        if self._topic is None or topic != self._topic:
            load("protocol.topics").check_topic(topic)
            self._topic = topic
            self._head = None
        self._begin(length)
        return self._next(SEND_TOPIC if self.token else SEND_AUTH)

    def request_into(self, action: int, buffer) -> int:
        """Write the request's head, and the body of /auth, at the start of `buffer`.

        Returns: how many bytes count. Raises: ValueError where the buffer is too small, which
        `head_max_bytes` prevents.
        """
        if action == SEND_AUTH:
            c = self._credentials
            body = load("protocol.signing").encode_auth_body(
                c.product_key, c.device_name, c.device_secret, c.client_id, c.sign_method
            )
            head = encode_head(b"/auth", c.host, (("Content-Type", "application/json"),))
            end = self._head_into(head, buffer, len(body), len(body))
            buffer[end : end + len(body)] = body
            return end + len(body)
        if self._head is None:
            self._head = encode_head(
                b"/topic" + self._topic.encode(),
                self._credentials.host,
                (("Content-Type", "application/octet-stream"), ("password", self.token)),
            )
        return self._head_into(self._head, buffer, self._length, 0)

    def _head_into(self, head, buffer, length, room):
        # 13: nine digits and CR LF CR LF. A bytearray would grow without a word, and be moved.
        if len(head) + 13 + room > len(buffer):
            raise ValueError("the buffer is too small for the request's head")
        buffer[: len(head)] = head
        return finish_head(buffer, len(head), length)

    def answer(self, reply) -> int:
        """Take a complete reply to the last action; return the next action.

        Raises: ProtocolError where the body is not what the platform sends; give it to `failed`.
        """
        if reply.status != 200:
            what = "an error page"
            if 300 <= reply.status < 400:
                what = "a redirect, which is not followed: the token would go with it"
            return self._end(
                LATER, ServiceError(reply.status, "HTTP: the endpoint answered with %s" % what)
            )
        answer = self._answer
        answer.parse(reply.body, reply.length)
        if self._action == SEND_AUTH:
            return self._answer_auth(answer)
        return self._answer_topic(answer)

    def _answer_auth(self, answer):
        code = answer.code
        if code == ACCEPTED:
            token = answer.token
            if token is None:
                return self._end(LATER, ServiceError(code, "authentication gave no token"))
            self.token = token
            self._head = None
            self.token_changed = True
            return self._next(SEND_TOPIC)
        if code in (PARAM_ERROR, AUTH_CHECK_ERROR):
            words = load("protocol.advice").refused(self._credentials.device_secret)
            return self._end(STOP, AuthError(code, words))
        return self._later(answer)

    def _answer_topic(self, answer):
        code = answer.code
        if code == ACCEPTED:
            self.message_id = answer.message_id
            return self._next(DONE)
        if TOKEN_EXPIRED <= code <= TOKEN_UNKNOWN:
            if self._renewed:
                return self._end(LATER, TokenError(code, answer.message))
            self._renewed = True
            self.token = None
            return self._next(SEND_AUTH)
        if code == PUBLISH_ERROR and not self._retried:
            self._retried = True
            self._next(SEND_TOPIC)
            self.wait_ms = _RETRY_PAUSE_MS
            return SEND_TOPIC
        if code in (PARAM_ERROR, PUBLISH_ERROR):
            return self._end(
                REFUSED, RejectedError(code, "%s, topic %s" % (answer.message, self._topic))
            )
        return self._later(answer)

    def _later(self, answer):
        words = answer.message
        if answer.code == TOO_MANY_REQUESTS:
            words = load("protocol.advice").throttled(words)
            return self._end(LATER, ThrottledError(answer.code, words))
        return self._end(LATER, ServiceError(answer.code, words))

    def failed(self, error, reply_started: bool, reused: bool) -> int:
        """Take what went wrong instead of a reply; return the next action.

        Args: error, a LinkpostError; whether a byte of the reply had come; whether the request
        went over a connection kept from an earlier one.
        """
        if (
            reused
            and not reply_started
            and not self._replaced
            and type(error) is NetworkError  # a deadline has passed for the next try as well
        ):
            self._replaced = True
            return self._next(self._action)
        return self._end(LATER, error)

    def _next(self, action):
        self._action = action
        self.wait_ms = 0
        return action

    def _end(self, action, error):
        self.error = error
        return self._next(action)


def head_max_bytes(credentials, topic_max: int, token_max: int) -> int:
    """Return an upper bound of what `request_into` writes, in bytes."""
    # The fixed text of both requests is under 160 and 170 bytes, the signature at most 40.
    names = len(credentials.host) + 4 * len(credentials.client_id)
    names += len(credentials.product_key) + len(credentials.device_name)
    return 400 + names + topic_max + token_max
