"""What a call must be to be taken, and how every other one is refused."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tailfirst.errors import ConfigError
from tailfirst.webhooks.outcomes import SAID, STATUS, Outcome
from tailfirst.webhooks.receiver import KEEP, Receiver
from tailfirst.webhooks.signing import SIGNATURE_HEADER
from tests.support.webhooks import NEXT_SECRET, NOW, PATH, Pushing, call

KNOWN = "v-tf-c-1-0"
URL = "/webhooks/c"


def post(client, headers, body, url=URL):
    return client.post(url, headers=headers, content=body)


def test_a_valid_call_is_stored_and_nothing_else_changes(serve, books, told):
    before = books.fingerprint("c")
    answer = post(serve(), *call(KNOWN))
    assert (answer.status_code, answer.json()) == (200, {"outcome": "stored"})
    assert len(books.inbox.waiting("c")) == 1
    assert books.fingerprint("c") == before
    assert told == [Outcome.STORED]


def test_the_vendors_name_is_a_path_too_and_any_other_is_none(serve):
    client = serve()
    assert post(client, *call(KNOWN), url="/webhooks/stub").status_code == 200
    assert post(client, *call(KNOWN), url="/webhooks/other").status_code == 404
    assert post(client, *call(KNOWN), url=f"/webhooks/c/{PATH}").status_code == 404


def test_an_honest_retry_is_answered_like_the_first_and_counted(serve, books):
    client, (headers, body) = serve(), call(KNOWN)
    assert [post(client, headers, body).status_code for _ in range(3)] == [200] * 3
    status = books.inbox.status("c")
    assert (status.waiting, status.repeats) == (1, 2)


def test_an_id_used_for_other_bytes_is_refused(serve, books):
    client = serve()
    post(client, *call(KNOWN, delivery_id="d-1"))
    answer = post(client, *call(KNOWN, "v-tf-c-1-1", delivery_id="d-1"))
    assert (answer.status_code, answer.json()) == (401, {"outcome": "refused"})
    assert books.inbox.status("c").waiting == 1


def test_a_captured_call_is_stale_after_five_minutes(serve, clock):
    client, (headers, body) = serve(), call(KNOWN)
    post(client, headers, body)
    clock.at = NOW + timedelta(minutes=5, seconds=1)
    assert post(client, headers, body).json() == {"outcome": "refused"}


def test_forged_calls_are_refused_alike_and_leave_nothing(serve, books, told):
    client, (headers, body) = serve(), call(KNOWN)
    forged = [
        ({}, body),
        (headers, body + b" "),
        ({**headers, SIGNATURE_HEADER: "v1,AAAA"}, body),
        call(KNOWN, secret="another secret of somebody"),
    ]
    answers = [post(client, *one) for one in forged]
    assert {(a.status_code, a.text) for a in answers} == {(401, '{"outcome":"refused"}')}
    assert told == [Outcome.FORGED] * 4
    assert books.inbox.status("c").waiting == 0


def test_a_webhook_before_our_commit_is_parked_and_polled_once_known(serve, books):
    answer = post(serve(), *call("order-9"))
    assert (answer.status_code, answer.json()) == (202, {"outcome": "parked"})
    assert books.inbox.waiting("c") == []
    books.rounds.annotate("c", 1, vendor_batch_id="order-9")
    assert len(books.inbox.waiting("c")) == 1


def test_both_secrets_count_while_they_change(serve):
    client = serve(Pushing(secrets=(NEXT_SECRET, "a secret of the tests")))
    assert post(client, *call(KNOWN)).status_code == 200
    assert post(client, *call(KNOWN, secret=NEXT_SECRET)).status_code == 200


@pytest.mark.parametrize(
    "tasks",
    [["a\0b"], ["x" * 257], ["\ud800"], [""] * 3 + ["\0"]],
    ids=["NUL", "long", "half a character", "one of many"],
)
def test_signed_nonsense_is_malformed(serve, tasks):
    answer = post(serve(), *call(*tasks))
    assert (answer.status_code, answer.json()) == (400, {"outcome": "malformed"})


def test_a_signed_body_that_is_no_call_is_malformed(serve):
    from tailfirst.webhooks.signing import sign

    for number, body in enumerate((b"", b"{", b"[]", b'{"tasks": 3}', b"\xff", b"[" * 20_000)):
        secret = "a secret of the tests"
        assert post(serve(), sign(secret, f"n-{number}", NOW, body), body).status_code == 400


def test_a_large_body_is_refused_by_its_length_and_by_its_bytes(serve, books, told):
    client, (headers, _) = serve(body_max=100), call(KNOWN)
    assert post(client, headers, b"x" * 101).status_code == 413
    sent = []

    def endless():
        for n in range(1000):
            sent.append(n)
            yield b"x" * 60

    assert client.post(URL, headers={**headers, "transfer-encoding": "chunked"}, content=endless()).status_code == 413
    assert told == [Outcome.OVERSIZED] * 2
    at_the_cap = json.dumps({"tasks": [KNOWN]}).encode().ljust(100)
    from tailfirst.webhooks.signing import sign

    assert post(client, sign("a secret of the tests", "full", NOW, at_the_cap), at_the_cap).status_code == 200


def test_too_many_calls_wait(serve):
    client = serve(rate=0.5, burst=2)
    answers = [post(client, *call(KNOWN)) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) in {1, 2}


def test_a_ledger_that_cannot_be_written_asks_to_come_again(serve, books, clock):
    client = serve()
    with books.database.write() as connection:  # another process's long transaction
        quick = Receiver("c", Pushing(), type(books).open(str(books.database.url), busy_ms=1), clock)
        assert quick.receive(*call(KNOWN)) is Outcome.UNAVAILABLE
        quick.close()
        connection.rollback()
    assert post(client, *call(KNOWN)).status_code == 200


def test_a_secret_that_went_away_is_no_forgery(serve):
    vendor = Pushing()
    client = serve(vendor)
    vendor.secrets = ()
    answer = post(client, *call(KNOWN))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


def test_who_signs_nothing_needs_a_secret_path_and_gets_an_early_poll_only(serve, books):
    with pytest.raises(ConfigError, match="TAILFIRST_WEBHOOK_PATH"):
        serve(Pushing("UNSIGNED"))
    client = serve(Pushing("UNSIGNED"), PATH)
    body = json.dumps({"tasks": [KNOWN]}).encode()
    assert post(client, {}, body).status_code == 404
    assert post(client, {}, body, f"{URL}/another-long-random-word").status_code == 404
    assert post(client, {}, body, f"{URL}/{PATH}").status_code == 200
    books.inbox.take(books.inbox.waiting("c"), NOW)
    assert post(client, {}, body, f"{URL}/{PATH}").status_code == 200
    assert len(books.inbox.waiting("c")) == 1


def test_what_cannot_be_verified_is_not_served(books):
    for vendor, path, match in (
        (Pushing("NONE"), None, "sends no webhooks"),
        (Pushing(secrets=()), None, "no webhook secret"),
        (Pushing("UNSIGNED"), "short", "could be guessed"),
    ):
        with pytest.raises(ConfigError, match=match):
            Receiver("c", vendor, books, secret_path=path)
    gullible = Pushing()
    gullible.verify_webhook = lambda *_: None
    with pytest.raises(ConfigError, match="takes an empty call"):
        Receiver("c", gullible, books)


def test_times_that_no_vendor_means_are_malformed(books, clock):
    vendor = Pushing("UNSIGNED")
    receiver = Receiver("c", vendor, books, clock, PATH)
    plain = vendor.verify_webhook
    for sent_at in (NOW.replace(tzinfo=None), NOW.replace(year=1), NOW.replace(year=9999)):
        vendor.verify_webhook = lambda *given, at=sent_at: replace(plain(*given), sent_at=at)
        assert receiver.receive({}, b'{"tasks": []}') is Outcome.MALFORMED


def test_old_hints_are_forgotten(books, clock):
    receiver = Receiver("c", Pushing(), books, clock)
    receiver.receive(*call(KNOWN))
    assert receiver.prune() == 0
    clock.at += KEEP + timedelta(seconds=1)
    assert receiver.prune() == 1


def test_every_outcome_has_a_status_and_a_word():
    assert set(STATUS) == set(Outcome)
    assert set(STATUS.values()) == set(SAID)


def test_health_and_metrics(serve, books):
    client = serve()
    assert client.get("/healthz").json() == {"outcome": "ok"}
    post(client, *call(KNOWN))
    post(client, {}, b"")
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = page.text.splitlines()
    for line in (
        "tailfirst_webhook_received_total 2",
        "tailfirst_webhook_stored_total 1",
        "tailfirst_webhook_forged_total 1",
        "tailfirst_webhook_replayed_total 0",
        "tailfirst_webhook_stale_total 0",
        "tailfirst_webhook_oversized_total 0",
        "tailfirst_webhook_rate_limited_total 0",
        "tailfirst_inbox_waiting 1",
        "tailfirst_webhook_miss_rate NaN",
    ):
        assert line in lines
    assert len([line for line in lines if line.startswith("# TYPE")]) == len(lines) / 3


def test_a_dead_ledger_is_unhealthy(serve, books, monkeypatch):
    from sqlalchemy.exc import OperationalError

    def dead():
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    client = serve()
    monkeypatch.setattr(type(books.database), "read", lambda _: dead())
    assert client.get("/healthz").status_code == 503
    assert "tailfirst_inbox_waiting" not in client.get("/metrics").text
