"""The platform's answers: who is asking, is it allowed, what is remembered. No socket, no wire."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..client.devices_csv import Triple
from . import registrar, registration, rules
from .history import History, RequestRecord
from .request import AUTH, REGISTER, TOPIC, Answer, Request
from .store import DISABLED, Device, Store

TOKEN_TTL_S = 7 * 24 * 3600


@dataclass
class Policy:
    """Settings of the platform."""

    token_ttl_s: int = TOKEN_TTL_S
    void_old_tokens: bool = False
    topics: tuple[str, ...] = rules.DEFAULT_TOPICS
    requests_per_s: float | None = None  # per device; None: never throttled


@dataclass
class Totals:
    """Counted since the start, of all clients."""

    connections: int = 0
    evicted: int = 0
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
        changed: Callable[[str | None], None] = lambda device: None,
    ):
        """`changed` is called for each stored request, with its device's key."""
        self._store = store
        self._policy = policy
        self._now_ms = now_ms
        self._now_s = now_s
        self._changed = changed
        self._history = History(store.db)
        self._buckets: dict[int, tuple[float, float]] = {}
        self.totals = Totals()

    def start(
        self,
        devices: list[Triple],
        products: tuple[tuple[str, str], ...] = (),
        names: list[tuple[str, str]] | None = None,
    ) -> None:
        """Register what was given, and forget tokens that expired long ago.

        Args: products: key and secret of each; names: product key and name of devices that get
        their secret by registration, and keep the one they have.
        """
        with self._store.transaction():
            for product_key, secret in products:
                self._store.add_product(product_key, secret)
            for product_key, name in names or []:
                if self._store.find_device(product_key, name) is None:
                    self._store.add_device(Triple(product_key, name, secrets.token_hex(16)))
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
        if request.endpoint == REGISTER:
            form = registration.try_registration(request.body or b"")
            return self._store.find_device(form.product_key, form.device_name) if form else None
        found = self._store.find_token(request.headers.get("password", ""))
        if found:
            return found[0]
        named = rules.topic_device(request.topic)
        return self._store.find_device(*named) if named else None

    def answer(
        self,
        request: Request,
        device: Device | None,
        code: int | None = None,
        *,
        fault: str | None = None,
        encode: Callable[[Answer], bytes] = lambda answer: b"",
    ) -> Answer:
        """Return the answer; when this returns, what was accepted is on disk.

        Args: `device` is what `identify` returned. `code`, if given, is the answer instead of a
        decision (a fault that someone asked for); nothing is then accepted. `encode` says what
        will be sent, with what is secret masked; it is kept for people to see.
        """
        with self._store.transaction():
            now_ms = self._now_ms()
            self.totals.requests += 1
            self._count(request, device, now_ms)
            message_id = self._store.next_id(now_ms)
            if code is not None:
                answer = _refuse(code, "a fault set in the emulator")
            else:
                answer = self._decide(request, device, now_ms)
            if request.endpoint == TOPIC and answer.code is not None:
                # A recorded refusal on a topic carries a message id too.
                answer = replace(answer, info={"messageId": message_id})
            if answer.code and answer.code != registration.REGISTERED:
                self.totals.refusals[answer.code] += 1
            self._keep(request, device, answer, message_id, now_ms, fault, encode(answer))
        self._changed(device.key if device else None)
        return answer

    def count_only(
        self, request: Request, device: Device | None, *, fault: str, reply: bytes = b""
    ) -> None:
        """Count and keep a request that gets no answer of the platform."""
        with self._store.transaction():
            now_ms = self._now_ms()
            self.totals.requests += 1
            self._count(request, device, now_ms)
            answer = Answer(reason="a fault set in the emulator")
            message_id = self._store.next_id(now_ms)
            self._keep(request, device, answer, message_id, now_ms, fault, reply)
        self._changed(device.key if device else None)

    def _count(self, request: Request, device: Device | None, now_ms: int) -> None:
        # A registration comes from a bench, and says nothing of the device.
        if device and request.endpoint in (AUTH, TOPIC):
            self._store.count_request(device, request.endpoint, now_ms)

    def _keep(
        self,
        request: Request,
        device: Device | None,
        answer: Answer,
        message_id: int,
        now_ms: int,
        fault: str | None,
        reply: bytes,
    ) -> None:
        claimed = device
        if device is None and request.endpoint == AUTH:
            # Nothing is counted for it, but its secret may be in the fields that were wrong.
            named = rules.named_device(request.body or b"")
            claimed = self._store.find_device(*named) if named else None
        secret = claimed.secret if claimed else ""
        record = RequestRecord(
            message_id, now_ms, request, device, answer.code, answer.reason, fault, reply, secret
        )
        if request.endpoint == TOPIC:
            reason = self._history.keep_message(record)
            if answer.code == rules.SUCCESS and device:
                self._store.count_accepted(device)
        elif request.endpoint == AUTH:
            auth = rules.parse_auth(request.body or b"")
            reason = self._history.keep_authentication(record, auth)
        elif request.endpoint == REGISTER:
            form = registration.try_registration(request.body or b"")
            product = self._store.find_product(form.product_key) if form else None
            known = [product.secret] if product else []
            self._history.keep_registration(record, form, known)
            return
        else:
            return
        if device and answer.code is not None:
            self._store.count_reply(device, answer.code, reason, now_ms)

    def _decide(self, request: Request, device: Device | None, now_ms: int) -> Answer:
        if request.endpoint is None:
            return Answer(
                status=404, reason="only /auth, /topic/... and /auth/register/device are served"
            )
        if request.method != "POST":
            return Answer(status=405, reason=f"the method is {request.method[:20]}, not POST")
        if request.endpoint == REGISTER:
            return self._register(request)
        if request.body is None:
            return _refuse(rules.PARAMETER_ERROR, request.flaw or "the body is not as announced")
        if device and not self._is_within_rate(device.id):
            rate = self._policy.requests_per_s
            return _refuse(rules.THROTTLED, f"more than {rate} requests per second")
        wanted = rules.AUTH_TYPE if request.endpoint == AUTH else rules.TOPIC_TYPE
        content_type = request.headers.get("content-type")
        if not rules.has_type(content_type, wanted):
            shown = "missing" if content_type is None else repr(content_type[:60])
            return _refuse(rules.PARAMETER_ERROR, f"Content-Type is {shown}, not {wanted}")
        if request.endpoint == AUTH:
            return self._auth(request, now_ms)
        return self._publish(request, now_ms)

    def _register(self, request: Request) -> Answer:
        decided = registrar.register(
            self._store, request.headers, request.body, request.flaw, self._is_within_rate
        )
        return Answer(code=decided.code, data=decided.data, reason=decided.reason)

    def _auth(self, request: Request, now_ms: int) -> Answer:
        try:
            auth = rules.read_auth(request.body or b"")
        except rules.ParameterFlaw as flaw:
            return _refuse(rules.PARAMETER_ERROR, str(flaw))
        device = self._store.find_device(auth.product_key, auth.device_name)
        if device is None:
            known = self._store.knows_product(auth.product_key)
            wrong = "deviceName" if known else "productKey"
            value = auth.device_name if known else auth.product_key
            return _refuse(rules.AUTH_FAILED, f"{wrong} {value[:64]!r} is not registered here")
        if not device.enabled:
            return _refuse(rules.AUTH_FAILED, DISABLED)
        if not rules.is_signed_by(auth, device.secret):
            return _refuse(rules.AUTH_FAILED, rules.explain_signature(auth, device.secret))
        if not rules.is_fresh(auth.timestamp_ms, now_ms):
            off_s = ((auth.timestamp_ms or 0) - now_ms) // 1000
            side = f"{off_s} s ahead of" if off_s > 0 else f"{-off_s} s behind"
            return _refuse(
                rules.AUTH_FAILED,
                f"timestamp is {side} the platform's clock, at most"
                f" {rules.TIMESTAMP_WINDOW_MS // 1000} s; the signature is right",
            )
        expires_ms = now_ms + self._policy.token_ttl_s * 1000
        token = self._store.issue_token(
            device, now_ms, expires_ms, void_others=self._policy.void_old_tokens
        )
        return Answer(code=rules.SUCCESS, info={"token": token})

    def _publish(self, request: Request, now_ms: int) -> Answer:
        if "?" in request.target:
            return _refuse(rules.PARAMETER_ERROR, "a topic has no query string (?...)")
        token = request.headers.get("password", "")
        if not token:
            return _refuse(rules.TOKEN_MISSING, "the header password, with the token, is missing")
        found = self._store.find_token(token)
        if found is None:
            return _refuse(
                rules.TOKEN_UNKNOWN,
                f"password is no token of this platform ({len(token)} characters), or one that"
                " a newer one has voided",
            )
        device, expires_ms = found
        if not device.enabled:
            return _refuse(rules.TOKEN_UNKNOWN, DISABLED)
        if expires_ms <= now_ms:
            ago_s = (now_ms - expires_ms) // 1000
            return _refuse(rules.TOKEN_EXPIRED, f"the token expired {ago_s} s ago")
        topics = self._policy.topics
        if not rules.may_publish(request.topic, device.product_key, device.device_name, topics):
            allowed = rules.describe_allowed(topics, device.product_key, device.device_name)
            return _refuse(
                rules.PUBLISH_FAILED,
                f"{device.key} may not publish to {request.topic[:200]!r}; it may to {allowed}",
            )
        return Answer(code=rules.SUCCESS)

    def _is_within_rate(self, who: int) -> bool:
        """Tell whether that device or product may send now: a bucket holds one second's worth."""
        rate = self._policy.requests_per_s
        if rate is None:
            return True
        size = max(1.0, rate)
        now_s = self._now_s()
        left, since_s = self._buckets.get(who, (size, now_s))
        left = min(size, left + (now_s - since_s) * rate)
        allowed = left >= 1
        self._buckets[who] = (left - 1 if allowed else left, now_s)
        return allowed


def _refuse(code: int, reason: str) -> Answer:
    return Answer(code=code, reason=reason)
