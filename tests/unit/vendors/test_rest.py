"""The REST adapter against answers written by hand: what it makes of each, and what it never does."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes, write_parquet
from tailfirst.config import Settings
from tailfirst.errors import (
    AuthRefused,
    ConfigError,
    Gone,
    QuotaExceeded,
    Retryable,
    Throttled,
    VendorConflict,
    VendorError,
)
from tailfirst.paths import Workspace
from tailfirst.port import BatchKey, BatchRef, Cursor, TaskRef
from tailfirst.vendors import rest
from tailfirst.vendors._rest_pages import Place
from tailfirst.webhooks.signing import sign
from tests.support.vendors.kit import spec, text

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BATCH = BatchRef(BatchKey("b" * 64), "order-1")
OLD, NEW = "the old secret of callbacks", "the new secret of callbacks"
Handler = Callable[[httpx.Request], httpx.Response]


def vendor(root: Path, handler: Handler, **options: Any) -> rest.RestVendor:
    rows = [
        {"item_id": spec(n).item_id, "sha256": spec(n).item_digest, "role": "pool", "text": text(n), "source": "t"}
        for n in range(4)
    ]
    write_parquet(Workspace(root).items, pa.Table.from_pylist(rows, schema=schemas.ITEMS))
    params = rest.Params(base_url="http://vendor.test", **options)
    return rest.RestVendor(
        params, Workspace(root), "secret-key", (NEW, OLD), httpx.MockTransport(handler), lambda: NOW, lambda _: None
    )


def always(status: int, body: Any = None, **headers: str) -> Handler:
    return lambda _: httpx.Response(status, json=body if body is not None else {"error": "because"}, headers=headers)


def test_no_key_is_said_before_any_call(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TAILFIRST_REST_API_KEY"):
        rest.load(rest.Params(base_url="http://vendor.test"), Workspace(tmp_path), Settings(_env_file=None))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, VendorError), (401, AuthRefused), (402, QuotaExceeded), (403, AuthRefused), (404, Gone),
        (408, Retryable), (409, VendorConflict), (410, Gone), (422, VendorError), (500, Retryable), (503, Retryable),
    ],
)  # fmt: skip
def test_every_status_has_one_class_and_is_asked_once(tmp_path: Path, status: int, kind: type[Exception]) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, json={"error": "because"})

    with pytest.raises(VendorError, match=rf"{status} because") as caught:
        vendor(tmp_path, answer).costs(BATCH)
    assert type(caught.value) is kind or (kind is Retryable and isinstance(caught.value, Retryable))
    assert len(asked) == 1
    assert "secret-key" not in str(caught.value)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 60.0)])
def test_429_says_how_long(tmp_path: Path, header: str, seconds: float) -> None:
    with pytest.raises(Throttled) as caught:
        vendor(tmp_path, always(429, **{"retry-after": header})).submit(BATCH, [spec(0)])
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize(
    "reply",
    [
        lambda r: (_ for _ in ()).throw(httpx.ReadTimeout("slow", request=r)),
        lambda r: (_ for _ in ()).throw(httpx.ConnectError("refused", request=r)),
        lambda _: httpx.Response(200, text="<html>proxy</html>"),
        lambda _: httpx.Response(200, json=[]),
        lambda _: httpx.Response(200, json={"tasks": 7}),
        lambda _: httpx.Response(504, text="gateway"),
    ],
)
def test_a_create_without_a_clear_answer_is_unknown_and_never_repeated(tmp_path: Path, reply: Handler) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return reply(request)

    report = vendor(tmp_path, answer).submit(BATCH, [spec(0), spec(1)])
    assert [(o.key, o.outcome) for o in report.outcomes] == [(spec(n).key, "UNKNOWN") for n in (0, 1)]
    assert all(o.reason for o in report.outcomes)
    assert asked == ["/v1/batches/order-1/tasks"]


def test_a_read_without_an_answer_is_tried_three_times(tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(1)
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Retryable, match="no answer"):
        vendor(tmp_path, answer).find(BATCH, [spec(0).key])
    assert len(asked) == 3


@pytest.mark.parametrize(("theirs", "outcome"), [(spec(0).payload_sha256, "EXISTED"), ("f" * 64, "REJECTED")])
def test_409_is_looked_up_and_compared(tmp_path: Path, theirs: str, outcome: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            assert request.url.params["unique_id"] == spec(0).key
            found = {"unique_id": spec(0).key, "task_id": "t1", "payload_sha256": theirs}
            return httpx.Response(200, json=found)
        return httpx.Response(200, json={"tasks": [{"unique_id": spec(0).key, "status": 409, "task_id": "t1"}]})

    (said,) = vendor(tmp_path, answer).submit(BATCH, [spec(0)]).outcomes
    assert (said.outcome, said.ref and said.ref.vendor_id) == (outcome, "t1")


def test_one_bad_item_stops_no_other(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        (task,) = json.loads(request.content)["tasks"]
        assert task["attachment"] == {"type": "text", "content": text(0)}
        return httpx.Response(200, json={"tasks": [{"unique_id": spec(0).key, "status": 201, "task_id": "t1"}]})

    said = {o.key: o for o in vendor(tmp_path, answer).submit(BATCH, [spec(0), spec(50)]).outcomes}
    assert said[spec(0).key].outcome == "CREATED"
    assert said[spec(50).key].outcome == "REJECTED"
    assert spec(50).item_id in said[spec(50).key].reason


def test_a_cut_export_is_asked_for_in_halves(tmp_path: Path) -> None:
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        ids = json.loads(request.content)["task_ids"]
        sizes.append(len(ids))
        whole = ids if len(ids) <= 2 else ids[:-1]
        rows = [
            {"task_id": i, "unique_id": i, "revision": "1", "sha256": sha256_bytes(b"{}"), "body_base64": "e30="}
            for i in whole
        ]
        checksum = sha256_bytes(b"{}" * len(rows))
        return httpx.Response(200, json={"count": len(ids), "sha256": checksum, "results": rows})

    refs = [TaskRef(spec(n).key, f"t{n}", None, None) for n in range(4)]
    assert [r.vendor_id for r in vendor(tmp_path, answer).fetch(refs)] == ["t0", "t1", "t2", "t3"]
    assert sizes == [4, 2, 2]


def test_an_export_that_stays_cut_is_no_answer(tmp_path: Path) -> None:
    cut = always(200, {"count": 1, "sha256": sha256_bytes(b""), "results": []})
    with pytest.raises(Retryable, match="cut 2 times"):
        list(vendor(tmp_path, cut).fetch([TaskRef(spec(0).key, "t0", None, None)]))


def change(n: int, at: datetime) -> dict[str, Any]:
    return {"id": n, "listed_at": at.isoformat(timespec="microseconds")}


def test_the_cursor_reads_the_overlap_again_and_tells_nothing_twice() -> None:
    first = {"changes": [change(1, NOW), change(2, NOW + timedelta(hours=1))], "next_page": None,
             "until": (NOW + timedelta(hours=1)).isoformat()}  # fmt: skip
    place = Place.of(Place().after(first, 120).cursor())
    assert place.asks(120) == {"updated_after": "2026-03-02T09:58:00.000000+00:00"}
    late = [change(2, NOW + timedelta(hours=1)), change(3, NOW + timedelta(minutes=59))]
    assert [row["id"] for row in place.fresh(late)] == [3]


def test_a_listing_under_way_goes_on_from_its_page() -> None:
    page = {"changes": [change(1, NOW)], "next_page": "p2", "until": NOW.isoformat()}
    place = Place.of(Place().after(page, 120).cursor())
    assert place.asks(120) == {"page": "p2"}
    done = place.after({"changes": [], "next_page": None, "until": "2027-01-01T00:00:00+00:00"}, 120)
    assert done.since == NOW.isoformat()  # what came while we read is listed by the next poll


def test_a_strange_cursor_is_refused() -> None:
    with pytest.raises(VendorError, match="no cursor of the REST adapter"):
        Place.of(Cursor("17"))


BODY = b'{"task_ids": ["t1", "t2"]}'


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_callback_with_either_secret_is_a_hint(tmp_path: Path, secret: str) -> None:
    hint = vendor(tmp_path, always(500)).verify_webhook(sign(secret, "d1", NOW, BODY), BODY, NOW)
    assert (hint.delivery_id, hint.vendor_ids, hint.sent_at) == ("d1", ("t1", "t2"), NOW)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (sign("a secret nobody gave us", "d1", NOW, BODY), BODY),
        (sign(NEW, "d1", NOW, BODY), BODY + b" "),
        (sign(NEW, "d1", NOW - timedelta(minutes=6), BODY), BODY),
        (sign(NEW, "d1", NOW, b"{}"), b"{}"),
        (sign(NEW, "d1", NOW, b"x" * 1_000_001), b"x" * 1_000_001),
    ],
    ids=["stranger", "changed", "stale", "no hint", "too large"],
)
def test_other_callbacks_are_refused(tmp_path: Path, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(AuthRefused):
        vendor(tmp_path, always(500)).verify_webhook(headers, body, NOW)
