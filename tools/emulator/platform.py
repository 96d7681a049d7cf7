"""The platform's answers: who is asking, is it allowed, what is remembered. No socket, no wire."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.devices_csv import Triple
from tools.emulator import rules
from tools.emulator.store import Device, Store, new_id

AUTH = "auth"
TOPIC = "topic"
TOKEN_TTL_S = 7 * 24 * 3600


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire. Header names are in lower case.

    `body` is None where the peer sent less than its Content-Length, or more than the limit.
    """

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def endpoint(self) -> str | None:
        if self.path == "/auth":
            return AUTH
        return TOPIC if self.path.startswith("/topic/") else None

    @property
    def topic(self) -> str:
        return self.path.removeprefix("/topic")


@dataclass(frozen=True)
class Answer:
    """HTTP status, and the JSON reply's code and info; no code where the body is empty."""

    status: int = 200
    code: int | None = None
    info: dict[str, object] | None = field(default=None, repr=False)


@dataclass
class Policy:
    """What a person may choose about the platform."""

    token_ttl_s: int = TOKEN_TTL_S
    void_old_tokens: bool = False
    topics: tuple[str, ...] = rules.DEFAULT_TOPICS
    requests_per_s: float | None = None  # per device; None: never throttled


@dataclass
class Totals:
    """Counted since the start, whoever asked."""

    connections: int = 0
    handshakes: int = 0
    handshakes_failed: int = 0
    requests: int = 0
    malformed: int = 0
    refusals: Counter[int] = field(default_factory=Counter)


class Platform:
    """Answers requests. One call of `answer` is one transaction: counted, decided, kept."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        now_s: Callable[[], float] = time.monotonic,
    ):
        self._store = store
        self._policy = policy
        self._now_ms = now_ms
        self._now_s = now_s
        self._buckets: dict[int, tuple[float, float]] = {}
        self.totals = Totals()

    def start(self, devices: list[Triple]) -> None:
        """Register the devices, and forget tokens that expired long ago."""
        with self._store.transaction():
            for triple in devices:
                self._store.add_device(triple)
            self._store.forget_old_tokens(self._now_ms())

    def identify(self, request: Request) -> Device | None:
        """Return the device that the request claims to come from, proven or not."""
        if request.endpoint == AUTH:
            auth = rules.parse_auth(request.body or b"")
            if auth is None:
                return None
            return self._store.find_device(auth.product_key, auth.device_name)
        found = self._store.find_token(request.headers.get("password", ""))
        if found:
            return found[0]
        named = rules.topic_device(request.topic)
        return self._store.find_device(*named) if named else None

    def answer(self, request: Request, device: Device | None, code: int | None = None) -> Answer:
        """Return the answer; when this returns, what was accepted is on disk.

        Args: `device` is what `identify` returned. `code`, if given, is the answer instead of a
        decision (a fault that someone asked for); nothing is then accepted.
        """
        with self._store.transaction():
            self.totals.requests += 1
            if device and request.endpoint:
                self._store.count_request(device, request.endpoint, self._now_ms())
            if code is not None:
                answer = self._answer_code(request, code)
            else:
                answer = self._decide(request, device)
            if answer.code:
                self.totals.refusals[answer.code] += 1
                if device:
                    self._store.count_refusal(device, answer.code)
        return answer

    def count_only(self, request: Request, device: Device | None) -> None:
        """Count a request that gets no answer of the platform."""
        self.totals.requests += 1
        if device and request.endpoint:
            with self._store.transaction():
                self._store.count_request(device, request.endpoint, self._now_ms())

    def _decide(self, request: Request, device: Device | None) -> Answer:
        if request.endpoint is None:
            return Answer(status=404)
        if request.method != "POST":
            return Answer(status=405)
        if request.body is None:
            return self._answer_code(request, rules.PARAMETER_ERROR)
        if device and not self._take_turn(device):
            return self._answer_code(request, rules.THROTTLED)
        result = self._auth(request) if request.endpoint == AUTH else self._publish(request)
        if isinstance(result, int):
            return self._answer_code(request, result)
        return Answer(code=rules.SUCCESS, info=result)

    def _auth(self, request: Request) -> dict[str, object] | int:
        if not rules.has_type(request.headers.get("content-type"), rules.AUTH_TYPE):
            return rules.PARAMETER_ERROR
        auth = rules.parse_auth(request.body or b"")
        if auth is None:
            return rules.PARAMETER_ERROR
        now_ms = self._now_ms()
        device = self._store.find_device(auth.product_key, auth.device_name)
        if device is None or not device.enabled or not rules.is_signed_by(auth, device.secret):
            return rules.AUTH_FAILED
        if not rules.is_fresh(auth.timestamp_ms, now_ms):
            return rules.AUTH_FAILED
        expires_ms = now_ms + self._policy.token_ttl_s * 1000
        void_others = self._policy.void_old_tokens
        return {"token": self._store.issue_token(device, expires_ms, void_others=void_others)}

    def _publish(self, request: Request) -> dict[str, object] | int:
        if not rules.has_type(request.headers.get("content-type"), rules.TOPIC_TYPE):
            return rules.PARAMETER_ERROR
        if "?" in request.target:
            return rules.PARAMETER_ERROR
        token = request.headers.get("password", "")
        if not token:
            return rules.TOKEN_MISSING
        found = self._store.find_token(token)
        if found is None or not found[0].enabled:
            return rules.TOKEN_UNKNOWN
        device, expires_ms = found
        now_ms = self._now_ms()
        if expires_ms <= now_ms:
            return rules.TOKEN_EXPIRED
        topics = self._policy.topics
        if not rules.may_publish(request.topic, device.product_key, device.device_name, topics):
            return rules.PUBLISH_FAILED
        payload = request.body or b""
        return {"messageId": self._store.add_message(device, request.topic, payload, now_ms)}

    def _answer_code(self, request: Request, code: int) -> Answer:
        # A recorded refusal on a topic carries a message id too, though nothing was accepted.
        info: dict[str, object] | None = None
        if request.endpoint == TOPIC:
            info = {"messageId": new_id(self._now_ms())}
        return Answer(code=code, info=info)

    def _take_turn(self, device: Device) -> bool:
        """A bucket of tokens per device: one second's worth of requests may come at once."""
        rate = self._policy.requests_per_s
        if rate is None:
            return True
        size = max(1.0, rate)
        now_s = self._now_s()
        left, since_s = self._buckets.get(device.id, (size, now_s))
        left = min(size, left + (now_s - since_s) * rate)
        allowed = left >= 1
        self._buckets[device.id] = (left - 1 if allowed else left, now_s)
        return allowed
