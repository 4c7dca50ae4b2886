"""Whatever is sent, the answer is one that the OpenAPI names, and only a signed call ever leaves a row."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from tailfirst.webhooks.outcomes import SAID
from tailfirst.webhooks.signing import ID_HEADER, SIGNATURE_HEADER, TIME_HEADER, sign
from tests.support.webhooks import NOW, PATH, SECRET, Pushing, call

EXAMPLES = 25
QUIET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_the_openapi_has_no_secret_and_no_pages_of_its_own(serve):
    client = serve(Pushing("UNSIGNED"), PATH)
    page = client.get("/openapi.json")
    assert page.status_code == 200
    assert PATH not in page.text
    assert SECRET not in page.text
    assert {"/webhooks/{source}", "/webhooks/{source}/{secret}", "/healthz", "/metrics"} == set(page.json()["paths"])
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_schemathesis_finds_nothing_over_the_openapi(serve, books):
    client = serve(rate=1e6, burst=10**6)
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app, config=SchemathesisConfig())
    seen: dict[str, set[int]] = {}

    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(parent=QUIET)
        @given(case=operation.as_strategy())
        def holds(case):
            answer = case.call()
            case.validate_response(answer)
            seen.setdefault(case.operation.label, set()).add(answer.status_code)

        holds()
    assert len(seen) == 4
    assert seen["GET /healthz"] == seen["GET /metrics"] == {200}
    assert books.inbox.status("c").waiting + books.inbox.status("c").parked == 0


def test_schemathesis_beats_on_the_path_that_is_served(serve, books):
    client = serve(rate=1e6, burst=10**6)
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app, config=SchemathesisConfig())
    operation = schema["/webhooks/{source}"]["POST"]
    seen: set[int] = set()

    @settings(parent=QUIET)
    @given(case=operation.as_strategy())
    def holds(case):
        case.path_parameters["source"] = "c"
        answer = case.call()
        case.validate_response(answer)
        seen.add(answer.status_code)

    holds()
    assert seen == {401}
    assert books.inbox.status("c").waiting == 0


HEADER = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)


def test_fuzzed_headers_and_bodies_are_refused_and_leave_nothing(serve, books):
    client = serve(rate=1e6, burst=10**6, body_max=500)
    good, body = call("v-tf-c-1-0")

    @settings(parent=QUIET, max_examples=150)
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                ID_HEADER: HEADER | st.just(good[ID_HEADER]),
                TIME_HEADER: HEADER | st.integers(-(10**12), 10**12).map(str) | st.just(good[TIME_HEADER]),
                SIGNATURE_HEADER: HEADER | HEADER.map("v1,".__add__) | st.just(good[SIGNATURE_HEADER]),
                "content-type": HEADER,
                "x-forwarded-for": HEADER,
            },
        ),
        st.binary(max_size=600) | st.just(body + b" "),
    )
    def refused(headers, sent):
        answer = client.post("/webhooks/c", headers=headers, content=sent)
        assert answer.status_code == (413 if len(sent) > 500 else 401)
        assert answer.json() == {"outcome": SAID[answer.status_code]}

    refused()
    assert books.inbox.status("c").waiting == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def test_signed_nonsense_never_breaks_the_server(serve, books):
    import json

    client = serve(rate=1e6, burst=10**6)
    bodies = st.binary(max_size=200) | JSON.map(json.dumps).map(str.encode)
    tasks = st.lists(st.text(max_size=300), max_size=5).map(lambda t: json.dumps({"tasks": t}).encode())

    @settings(parent=QUIET, max_examples=150)
    @given(st.integers(0, 10**9), bodies | tasks)
    def answered(number, body):
        answer = client.post("/webhooks/c", headers=sign(SECRET, f"f-{number}", NOW, body), content=body)
        assert answer.status_code in {200, 202, 400, 401}

    answered()
