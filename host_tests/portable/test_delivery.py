"""What is sent, in which order, and what becomes of what the platform refuses."""

import json

from fakes_app import FakeClient, FakeOutbox, FakePort, app_config
from linkpost.app import App
from linkpost.errors import NetworkError, RejectedError


class _Log:
    def __init__(self):
        self.lines = []

    def info(self, *words):
        self.lines.append(words)

    warning = error = debug = info


def _make(readings, answer=None, **outbox):
    port = FakePort()
    config = app_config(format=outbox.pop("format", "json"), outbox=outbox)
    store = FakeOutbox()
    for i in range(readings):
        store.append({"n": i + 1}, 1000 + i)
    client = FakeClient(port, answer)
    log = _Log()
    return App(config, (), port, client, store, log), client, store, log


def _seqs(client):
    """The seqs of each request."""
    sent = []
    for _, _, payload in client.sent:
        tree = json.loads(payload)
        sent.append([r["seq"] for r in tree] if isinstance(tree, list) else tree["seq"])
    return sent


def _drain(app, most=100):
    for _ in range(most):
        if not app.request(1000):
            return
    raise AssertionError("endless")


def _refuses(*bad):
    """Refuse every payload that holds one of these seqs."""

    def answer(payload, number):
        tree = json.loads(payload)
        for reading in tree if isinstance(tree, list) else [tree]:
            if reading["seq"] in bad:
                raise RejectedError(10001, "param error")

    return answer


def _refuses_all(payload, number):
    raise RejectedError(30001, "publish message error")


def _raises(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError("no %s" % kind.__name__)


def test_drain_sends_oldest_first_one_request_each():
    app, client, store, _ = _make(3)
    _drain(app)
    assert _seqs(client) == [1, 2, 3]
    assert (app.accepted, store.pending) == (3, 0)
    assert json.loads(client.sent[0][2]) == {"stream": "0badcafe", "seq": 1, "time": 1000, "n": 1}


def test_step_connects_before_it_builds_a_payload():
    app, client, store, _ = _make(3, batch_bytes=4096)
    opened_at = []
    readings = store.readings

    def watched():
        opened_at.append(client.opened)
        return readings()

    store.readings = watched
    _drain(app)
    assert opened_at == [1]


def test_step_that_cannot_connect_builds_and_sends_nothing():
    app, client, store, _ = _make(2)

    def down(deadline_ms):
        raise NetworkError("down")

    client.open = down
    _raises(NetworkError, app.request, 1000)
    assert client.sent == []
    assert store.pending == 2


def test_step_with_nothing_waiting_sends_nothing():
    app, client, _, _ = _make(0)
    assert app.request(1000) == 0
    assert client.sent == []


def test_step_that_fails_keeps_all():
    def answer(payload, number):
        raise NetworkError("down")

    app, _, store, _ = _make(2, answer)
    _raises(NetworkError, app.request, 1000)
    assert (app.accepted, store.pending, store.quarantined) == (0, 2, 0)


def test_refused_reading_is_quarantined_once_a_later_one_is_accepted():
    app, client, store, _ = _make(4, _refuses(2))
    _drain(app)
    # 1 is accepted; 2 refused; the newest, 4, is proof; 3; and 4 is not sent again.
    assert _seqs(client) == [1, 2, 4, 3]
    assert store.quarantined_seqs == [2]
    assert store.reasons[0].startswith("10001 ")
    assert (app.accepted, store.pending) == (3, 0)


def test_refused_readings_after_a_proof_need_no_other():
    app, client, store, _ = _make(6, _refuses(1, 2, 3))
    _drain(app)
    assert _seqs(client) == [1, 6, 2, 3, 4, 5]
    assert store.quarantined_seqs == [1, 2, 3]


def test_all_refused_nothing_is_quarantined_and_the_topic_is_named():
    app, client, store, log = _make(5, _refuses_all)
    for _ in range(3):
        _raises(RejectedError, app.request, 1000)
    assert _seqs(client) == [1, 5] * 3
    assert (store.pending, store.quarantined) == (5, 0)
    explained = [line for line in log.lines if "/pk1/dev1/user/update" in line]
    assert explained, log.lines


def test_last_reading_refused_waits_for_a_later_one():
    app, client, store, _ = _make(1, _refuses(1))
    _raises(RejectedError, app.request, 1000)
    assert store.quarantined == 0
    store.append({"n": 2}, None)
    _drain(app)
    assert store.quarantined_seqs == [1]
    assert _seqs(client) == [1, 1, 2]
    assert app.accepted == 1


def test_batch_holds_many_readings_in_one_request():
    app, client, store, _ = _make(10, batch_bytes=4096)
    _drain(app)
    assert _seqs(client) == [list(range(1, 11))]
    assert (app.accepted, store.pending) == (10, 0)


def test_batch_never_passes_its_bytes():
    for limit in (1, 60, 120, 121, 200, 1000):
        app, client, store, _ = _make(40, batch_bytes=limit)
        _drain(app)
        assert [s for batch in _seqs(client) for s in batch] == list(range(1, 41)), limit
        for batch, (_, _, payload) in zip(_seqs(client), client.sent):  # noqa: B905
            assert len(payload) <= limit or len(batch) == 1, limit


def test_batch_refused_is_sent_again_one_by_one():
    app, client, store, _ = _make(5, _refuses(3), batch_bytes=4096)
    _drain(app)
    assert _seqs(client) == [[1, 2, 3, 4, 5], 1, 2, 3, 5, 4]
    assert store.quarantined_seqs == [3]
    assert app.accepted == 4
    store.append({"n": 6}, None)
    store.append({"n": 7}, None)
    _drain(app)
    assert _seqs(client)[-1] == [6, 7], "batches again behind the bad one"


def test_batch_all_refused_keeps_all():
    app, client, store, _ = _make(5, _refuses_all, batch_bytes=4096)
    app.request(1000)
    _raises(RejectedError, app.request, 1000)
    assert _seqs(client) == [[1, 2, 3, 4, 5], 1, 5]
    assert (store.pending, store.quarantined) == (5, 0)


def test_alink_reading_is_posted_singly():
    app, client, _, _ = _make(2, format="alink")
    _drain(app)
    posts = [json.loads(payload) for _, _, payload in client.sent]
    assert [post["id"] for post in posts] == ["1", "2"]
    assert posts[0]["params"] == {"n": {"value": 1, "time": 1000}}


class _SlowClient(FakeClient):
    """Takes its time to connect, and notes what each call was given."""

    def __init__(self, port, answer):
        super().__init__(port, answer, takes_ms=300)
        self.given = []

    def open(self, deadline_ms=0):
        super().open(deadline_ms)
        self.given.append(deadline_ms)
        self._port.now += 200

    def publish(self, topic, payload, deadline_ms=0):
        self.given.append(deadline_ms)
        return super().publish(topic, payload, deadline_ms)


def test_deadline_is_one_over_connecting_sending_and_proving():
    app, _, _, _ = _make(3)
    client = _SlowClient(app.port, _refuses_all)
    app.client = client
    _raises(RejectedError, app.request, 1000)
    assert client.given == [1000, 800, 500]
