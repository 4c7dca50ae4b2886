"""The Label Studio adapter on a real server: what the conformance kit cannot ask of every vendor."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tailfirst.errors import AuthRefused, Gone, VendorConflict
from tailfirst.paths import Workspace
from tailfirst.port import BatchSpec, Money, ProjectSpec
from tests.support import label_studio
from tests.support.label_studio_desk import NOW, TASK, ids, kinds, order, specs, vendor

pytestmark = pytest.mark.label_studio


def test_an_answers_life_is_told_step_by_step(ws: Workspace) -> None:
    made, anna = vendor(ws, page_size=3), label_studio.person("anna")
    batch = order(made)
    made.submit(batch, specs(ws))
    first, second, third = ids(batch)[:3]
    seen, cursor = kinds(made, batch)
    assert seen == {}
    given = anna.label(first, "heron")
    anna.skip(second)
    anna.http.post(f"/api/tasks/{third}/drafts", json={"result": [], "lead_time": 1}).raise_for_status()
    seen, cursor = kinds(made, batch, cursor)
    assert seen == {first: "RETURNED", second: "SKIPPED"}
    anna.edit(given, "owl")
    seen, cursor = kinds(made, batch, cursor)
    assert seen == {first: "UPDATED"}
    (now,) = made.fetch(
        [r for r in made.find(batch, [s.key for s in specs(ws)]).values() if r.vendor_id.endswith(f"-{first}")]
    )
    assert made.parse(now, TASK).annotations[0].class_ids == ("owl",)
    anna.delete(given)
    seen, cursor = kinds(made, batch, cursor)
    assert seen == {first: "DELETED"}
    assert kinds(made, batch, cursor)[0] == {}


def test_each_poll_looks_back_over_its_window(ws: Workspace) -> None:
    made, anna = vendor(ws, overlap_s=60), label_studio.person("anna")
    batch = order(made)
    made.submit(batch, specs(ws)[:2])
    _, cursor = kinds(made, batch)
    anna.label(ids(batch)[0], "heron")
    _, cursor = kinds(made, batch, cursor)
    anna.label(ids(batch)[1], "heron")
    assert set(kinds(made, batch, cursor)[0]) == set(ids(batch))


def test_two_answers_of_two_people(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made, overlap=2)
    made.submit(batch, specs(ws)[:1])
    (number,) = ids(batch)
    label_studio.person("anna").label(number, "heron")
    assert kinds(made, batch)[0] == {number: "STARTED"}
    label_studio.person("bert").label(number, "owl")
    assert kinds(made, batch)[0] == {number: "RETURNED"}
    (now,) = made.fetch(list(made.find(batch, [specs(ws)[0].key]).values()))
    answers = made.parse(now, TASK).annotations
    assert {a.class_ids for a in answers} == {("heron",), ("owl",)}
    assert len({a.annotator_id for a in answers}) == 2
    assert all(a.work_s == 2.5 and a.submitted_at - a.started_at == timedelta(seconds=2.5) for a in answers)


def test_cancel_leaves_answered_tasks(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws)[:3])
    label_studio.person("anna").label(ids(batch)[1], "owl")
    refs = list(made.find(batch, [s.key for s in specs(ws)]).values())
    foreign = replace(refs[0], vendor_id="nothing-like-it")
    assert [o.outcome for o in made.cancel([*refs, foreign], "c").outcomes] == [
        "CANCELED",
        "TOO_LATE",
        "CANCELED",
        "NOT_FOUND",
    ]
    assert len(ids(batch)) == 1


def test_prelabels_are_shown_and_remembered(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    shown, blind = replace(specs(ws)[0], prelabel="owl"), specs(ws)[1]
    assert {o.outcome for o in made.submit(batch, [shown, blind]).outcomes} == {"CREATED"}
    tasks = label_studio.tasks(int(batch.vendor_id))
    assert [len(t["predictions"]) for t in tasks] == [1, 0]
    with label_studio.client() as http:
        assert http.get(f"/api/projects/{batch.vendor_id}").json()["model_version"] == "tailfirst"
    for task in tasks:
        label_studio.person("anna").label(task["id"], "owl")
    raws = made.fetch(list(made.find(batch, [shown.key, blind.key]).values()))
    assert [made.parse(r, TASK).annotations[0].saw_prelabel for r in raws] == [True, False]


def test_one_bad_item_stops_no_other(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    unknown = replace(specs(ws)[0], item_id="nowhere")
    first, second = made.submit(batch, [unknown, specs(ws)[1]]).outcomes
    assert (first.outcome, second.outcome) == ("REJECTED", "CREATED")
    assert "nowhere" in first.reason


def test_what_the_server_refuses_is_found_by_halves(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    tasks = made._tasks(batch)
    good = [{"data": {"text": f"t{n}"}, "meta": {"tailfirst": {"key": f"k{n}"}}} for n in range(5)]
    assert set(tasks.create([*good[:2], {"data": {"image": "x"}}, *good[2:]])) == {2}
    assert set(tasks.by_key()) == {f"k{n}" for n in range(5)}


def test_a_changed_interface_stops_the_order(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws)[:1])
    with label_studio.client() as http:
        path = f"/api/projects/{batch.vendor_id}/"
        config = http.get(path).json()["label_config"].replace("Grey heron", "White heron")
        http.patch(path, json={"label_config": config}).raise_for_status()
    digest = TASK.digest
    found = made.ensure_project(ProjectSpec("birds", "1", digest, digest, "PUBLIC"))
    assert found.ontology_digest != digest
    asked = replace(found, ontology_digest=digest)
    with pytest.raises(VendorConflict, match="restore its labeling interface"):
        made.open_batch(BatchSpec(batch.key, asked, 1, "TRAIN", 8, 1, NOW, Money(10**9, "USD")))


def test_a_deleted_project_is_gone(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws)[:1])
    refs = list(made.find(batch, [specs(ws)[0].key]).values())
    label_studio.forget_projects()
    assert list(made.fetch(refs)) == []
    with pytest.raises(Gone):
        made.changes(batch, None)


def test_a_personal_access_token_does_as_well(ws: Workspace) -> None:
    with label_studio.client() as http:
        token = http.post("/api/token/").raise_for_status().json()["token"]
    made = vendor(ws, token)
    assert order(made) == order(vendor(ws))
    assert made.health().ok


def test_health_says_what_is_wrong(ws: Workspace) -> None:
    assert vendor(ws).health().detail == "Label Studio 1.23.2"
    bad = vendor(ws, "0" * 40)
    assert "TAILFIRST_LABEL_STUDIO_TOKEN" in bad.health().detail
    with pytest.raises(AuthRefused):
        order(bad)
