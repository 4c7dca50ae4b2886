"""The Label Studio adapter without a server: interface, bytes, hooks, cursor, status codes."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import (
    AuthRefused,
    ConfigError,
    Gone,
    InvalidDelivery,
    QuotaExceeded,
    Retryable,
    TaskFolderError,
    Throttled,
    Unavailable,
    VendorConflict,
)
from tailfirst.port import Cursor, RawResult
from tailfirst.task import ClassDef, Task
from tailfirst.vendors import _label_studio_config as interface
from tailfirst.vendors import _label_studio_wire as wire
from tailfirst.vendors._label_studio_hooks import SECRET_HEADER, hint
from tailfirst.vendors._label_studio_http import Client, Refused
from tailfirst.vendors._label_studio_params import Params
from tailfirst.vendors._label_studio_place import Place
from tailfirst.vendors._label_studio_project import guidelines

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ODD = (
    ClassDef("heron", "Grey heron", ("héron", 'a "bird"'), "Grey & <tall>,\nwith a dagger's bill."),
    ClassDef("mus-1", "mouse"),
    ClassDef("mus-2", "mouse", (), "The one with a cable."),
    ClassDef("unsure", "Unsure"),
)


def task(classes: tuple[ClassDef, ...] = ODD, modality: str = "image", version: str = "2") -> Task:
    return Task("t", modality, version, classes, ("{}",))  # type: ignore[arg-type]


def test_classes_survive_the_way_there_and_back() -> None:
    assert interface.digest(interface.build(task())) == task().digest
    assert interface.digest(interface.build(task(modality="text"))) == task(modality="text").digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('alias="heron"', 'alias="stork"'),
        ("Grey heron", "White heron"),
        ("dagger", "spoon"),
        ('ontologyVersion="2"', 'ontologyVersion="3"'),
        ("</Choices>", '<Choice value="Yak" alias="yak" /></Choices>'),
        ('alias="tf:unsure"', 'alias="unsure-too"'),
        ("<View", "<Viw"),
    ],
)
def test_a_changed_interface_has_another_digest(old: str, new: str) -> None:
    config = interface.build(task())
    assert old in config
    assert interface.digest(config.replace(old, new, 1)) != task().digest


def test_a_changed_page_is_no_changed_ontology() -> None:
    config = interface.build(task()).replace("Which class is it?", "Look twice!").replace("24px", "8px")
    assert interface.digest(config) == task().digest


def test_two_classes_of_one_name_can_be_told_apart() -> None:
    config = interface.build(task())
    assert 'value="mouse [mus-1]"' in config
    assert 'value="mouse [mus-2]"' in config
    assert 'value="Unsure [unsure]"' in config  # beside our own answer of that name
    assert 'value="Unsure" alias="tf:unsure"' in config


def test_many_classes_get_a_search_box() -> None:
    many = tuple(ClassDef(f"c{n}", f"c{n}") for n in range(interface.MANY))
    assert "<Filter" in interface.build(task(many))
    assert "<Filter" not in interface.build(task(many[1:]))


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(Unavailable, match="nothing to look at"):
        interface.build(task(modality="vector"))
    with pytest.raises(TaskFolderError, match="tf:unsure"):
        interface.build(task((*ODD, ClassDef("tf:unsure", "x"))))


def test_guidelines_escape_what_people_wrote() -> None:
    assert "Grey &amp; &lt;tall&gt;" in guidelines(task(), "<p>Be quick.</p>")


@pytest.mark.parametrize(
    "wrong", [{"images": "local_files"}, {"images": "url", "image_url": "https://x/a.png"}, {"pric": 1}]
)
def test_incomplete_options_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"document_root|image_url|pric"):
        Params.model_validate(wrong)


def answer(*names: str, **changes: object) -> dict:
    return {
        "id": 7,
        "completed_by": 3,
        "was_cancelled": False,
        "result": [wire.choice(name) for name in names],
        "created_at": "2026-03-02T10:00:00.000001Z",
        "updated_at": "2026-03-02T10:00:00.000040Z",
        "lead_time": 4.5,
        "created_username": "anna@example.com, 3",
        "created_ago": "2 minutes",
        **changes,
    }


def raw(*annotations: dict, **changes: object) -> RawResult:
    value = {
        "id": 5,
        "project": 2,
        "updated_at": "2026-03-02T12:00:00.500000+02:00",
        "meta": {"tailfirst": {"key": "k", "item_digest": "d", "payload_sha256": "p", "ontology_version": "1"}},
        "data": {"image": "data:image/png;base64,AAAA"},
        "annotations": list(annotations),
        "drafts": [{"result": "secret"}],
        **changes,
    }
    body = wire.body_of(value)
    return RawResult(None, "2-5", "r", body, sha256_bytes(body), (), NOW)


def test_an_answer_is_read() -> None:
    parsed = wire.parse(raw(answer("heron")), task())
    (one,) = parsed.annotations
    assert (parsed.key, parsed.item_digest_echo, parsed.ontology_version) == ("k", "d", "1")
    assert parsed.revision == "2026-03-02T10:00:00.500000Z"
    assert (one.annotator_id, one.class_ids, one.skipped, one.reason) == ("ls-3", ("heron",), False, "")
    assert one.submitted_at - one.started_at == timedelta(seconds=4.5)
    assert (one.work_s, one.provenance, one.saw_prelabel) == (4.5, "HUMAN", False)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (answer("tf:none_of_these"), "none_of_these"),
        (answer("tf:unsure"), "unsure"),
        (answer("tf:not_shown"), "asset not reachable"),
        (answer("None of these"), "none_of_these"),
        (answer(was_cancelled=True), "skipped"),
        (answer(), "submitted without a choice"),
    ],
)
def test_answers_that_are_no_class(given: dict, reason: str) -> None:
    (one,) = wire.parse(raw(given), task()).annotations
    assert (one.class_ids, one.skipped, one.reason) == ((), True, reason)


def test_a_class_wins_over_our_own_answer_of_its_name() -> None:
    assert wire.parse(raw(answer("unsure")), task()).annotations[0].class_ids == ("unsure",)


def test_unknown_names_are_told_and_not_guessed() -> None:
    parsed = wire.parse(raw(answer("heron (retired)"), answer("heron", id=8, completed_by=4)), task())
    assert parsed.unknown_labels == ("heron (retired)",)
    assert parsed.annotations[0].class_ids == ()


def test_a_bulk_acceptance_is_a_machines_answer() -> None:
    bulk = answer("heron", parent_prediction=9, lead_time=None)
    looked_at = answer("heron", parent_prediction=9)
    imported = answer("heron", completed_by=None)
    found = [wire.parse(raw(one), task()).annotations[0].provenance for one in (bulk, looked_at, imported)]
    assert found == ["MACHINE", "HUMAN", "UNKNOWN"]


def test_what_is_stored_names_nobody_and_does_not_change_by_the_clock() -> None:
    first, later = raw(answer("heron")), raw(answer("heron", created_ago="3 hours"))
    assert first.body == later.body
    assert b"anna" not in first.body
    assert b"secret" not in first.body
    assert b"AAAA" not in first.body
    assert json.loads(first.body)["data"]["image"].startswith("inline, sha256 ")


@pytest.mark.parametrize(
    "result", [None, 3, [{"from_name": "other", "value": {}}], [{"from_name": "label", "value": {"rating": 3}}]]
)
def test_foreign_results_are_refused(result: object) -> None:
    with pytest.raises(InvalidDelivery, match="raw bytes are kept"):
        wire.parse(raw(answer(result=result)), task())


def hook(**value: object) -> bytes:
    return json.dumps({"action": "ANNOTATION_CREATED", "project": {"id": 2}, **value}).encode()


def test_hooks_need_the_secret_and_name_tasks() -> None:
    for secret in ("old", "new"):
        found = hint({SECRET_HEADER.lower(): secret}, hook(task={"id": 5}), NOW, ("old", "new"))
        assert (found.vendor_ids, found.sent_at) == (("2-5",), NOW)
    assert hint({SECRET_HEADER: "new"}, hook(), NOW, ("new",)).vendor_ids == ()
    for headers in ({}, {SECRET_HEADER: ""}, {SECRET_HEADER: "newer"}):
        with pytest.raises(AuthRefused):
            hint(headers, hook(), NOW, ("old", "new"))
    with pytest.raises(ConfigError, match="TAILFIRST_WEBHOOK_SECRETS"):
        hint({SECRET_HEADER: ""}, hook(), NOW, ())
    for body in (b"", b"[]", b'{"project": 3}', b"\xff"):
        with pytest.raises(InvalidDelivery):
            hint({SECRET_HEADER: "new"}, body, NOW, ("new",))


def test_a_cursor_says_where_the_walk_stands() -> None:
    at = Place(NOW, NOW + timedelta(seconds=1), 17)
    assert Place.read(at.cursor()) == at
    assert Place.read(None) is None
    with pytest.raises(InvalidDelivery, match="none of the Label Studio adapter"):
        Place.read(Cursor("42"))


def client(*answers: httpx.Response | Exception, token: str = "abc") -> tuple[Client, list[httpx.Request]]:
    queue, asked = list(answers), []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = queue.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Client("http://127.0.0.1:1", token, 1.0, httpx.MockTransport(handle)), asked


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400, json={"detail": "bad", "validation_errors": {"title": ["short"]}}), Refused),
        (httpx.Response(401, json={"detail": "Invalid token."}), AuthRefused),
        (httpx.Response(402), QuotaExceeded),
        (httpx.Response(403), AuthRefused),
        (httpx.Response(404), Gone),
        (httpx.Response(409), VendorConflict),
        (httpx.Response(413), Refused),
        (httpx.Response(429), Throttled),
        (httpx.Response(500, text="<h1>"), Retryable),
        (httpx.Response(503), Retryable),
        (httpx.Response(302, headers={"Location": "/login"}), Retryable),
        (httpx.Response(200, text="<html>"), Retryable),
        (httpx.Response(200, content=b'{"tasks": [1, 2'), Retryable),
        (httpx.ConnectError("refused"), Retryable),
        (httpx.ReadTimeout("slow"), Retryable),
    ],
)
def test_errors_are_classified_once(answer: httpx.Response | Exception, error: type[Exception]) -> None:
    http, _ = client(answer, token="secret-token")
    with pytest.raises(error) as caught:
        http.call("list", "GET", "/api/tasks")
    assert type(caught.value) is error
    assert "secret-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Mon, 02 Mar 2026 10:01:00 GMT", "Date": "Mon, 02 Mar 2026 10:00:00 GMT"}, 60.0),
        ({}, 30.0),
        ({"Retry-After": "soon"}, 30.0),
    ],
)
def test_how_long_to_wait(headers: dict, seconds: float) -> None:
    http, _ = client(httpx.Response(429, headers=headers))
    with pytest.raises(Throttled) as caught:
        http.call("list", "GET", "/api/tasks")
    assert caught.value.retry_after_s == seconds


def test_a_legacy_token_is_sent_as_it_is_and_none_is_said() -> None:
    http, asked = client(httpx.Response(200, json=1))
    assert http.call("x", "GET", "/") == 1
    assert asked[0].headers["Authorization"] == "Token abc"
    with pytest.raises(ConfigError, match="TAILFIRST_LABEL_STUDIO_TOKEN"):
        client(token="")[0].call("x", "GET", "/")


def test_a_personal_token_is_traded_and_traded_again_when_it_ran_out() -> None:
    one, two = httpx.Response(200, json={"access": "one"}), httpx.Response(200, json={"access": "two"})
    http, asked = client(
        one, httpx.Response(200, json=1), httpx.Response(401), two, httpx.Response(200, json=2), token="a.b.c"
    )
    assert [http.call("x", "GET", "/"), http.call("x", "GET", "/")] == [1, 2]
    assert [r.headers.get("Authorization") for r in asked] == [None, "Bearer one", "Bearer one", None, "Bearer two"]
    assert json.loads(asked[0].content) == {"refresh": "a.b.c"}
    refused, asked = client(httpx.Response(401), token="a.b.c")
    with pytest.raises(AuthRefused):
        refused.call("x", "GET", "/")
