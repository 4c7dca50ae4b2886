"""What a migration does to classes and to labels, on five labels that are worked out by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailfirst.errors import OntologyError
from tailfirst.ontology.change import migrated, move
from tailfirst.ontology.migration import Migration, load_migration
from tailfirst.ontology.names import Names
from tailfirst.ontology.versions import Applied, Versions
from tailfirst.task import ClassDef, Task

BIRDS = Task(
    "birds", "text", "1",
    (ClassDef("bicycle", "bicycle", ("bike",)), ClassDef("heron", "heron"), ClassDef("umbrella", "brolly")), ("{}",),
)  # fmt: skip
LABELS = ("heron", "umbrella", "bicycle", "heron", "umbrella")  # five labels of version 1


def migration(*steps, origin="1", to="2"):
    return Migration.model_validate({"from": origin, "to": to, "steps": list(steps)})


def after(*steps):
    """The classes, and what becomes of the five labels."""
    one = migration(*steps)
    return migrated(BIRDS, one), [move(label, one).class_id for label in LABELS]


def test_rename_moves_its_labels_and_keeps_the_place():
    task, labels = after({"rename": {"class": "heron", "to": "grey_heron"}})
    assert labels == ["grey_heron", "umbrella", "bicycle", "grey_heron", "umbrella"]
    assert task.class_ids == ("bicycle", "grey_heron", "umbrella")
    assert task.classes[1].name == "grey heron"  # the old name was the id
    assert task.ontology_version == "2"


def test_rename_keeps_a_name_that_people_chose():
    task, _ = after({"rename": {"class": "umbrella", "to": "parasol"}})
    assert task.classes[2] == ClassDef("parasol", "brolly")


def test_merge_moves_the_labels_of_all_and_keeps_every_name():
    task, labels = after({"merge": {"classes": ["bicycle", "umbrella"], "into": "thing"}})
    assert labels == ["heron", "thing", "thing", "heron", "thing"]
    assert task.classes == (ClassDef("thing", "thing", ("bicycle", "bike", "brolly")), ClassDef("heron", "heron"))


def test_merge_into_one_of_them():
    task, labels = after({"merge": {"classes": ["heron", "umbrella"], "into": "umbrella"}})
    assert labels == ["umbrella", "umbrella", "bicycle", "umbrella", "umbrella"]
    assert task.classes[1] == ClassDef("umbrella", "brolly", ("heron",))


def test_split_ends_its_labels():
    task, labels = after({"split": {"class": "umbrella", "into": ["umbrella", {"id": "parasol", "name": "sun shade"}]}})
    assert labels == ["heron", None, "bicycle", "heron", None]
    assert move("umbrella", migration({"split": {"class": "umbrella", "into": ["a", "b"]}})).ended == "split"
    assert task.class_ids == ("bicycle", "heron", "umbrella", "parasol")
    assert task.classes[3].name == "sun shade"


def test_retire_ends_its_labels():
    task, labels = after({"retire": {"class": "heron"}})
    assert labels == [None, "umbrella", "bicycle", None, "umbrella"]
    assert task.class_ids == ("bicycle", "umbrella")


def test_add_leaves_labels_alone():
    task, labels = after({"add": {"class": "white_stork", "synonyms": ["stork"]}})
    assert labels == list(LABELS)
    assert task.classes[3] == ClassDef("white_stork", "white stork", ("stork",))


def test_steps_work_on_what_the_step_before_left():
    task, labels = after(
        {"rename": {"class": "heron", "to": "bird"}},
        {"add": {"class": "stork"}},
        {"merge": {"classes": ["bird", "stork"], "into": "bird"}},
    )
    assert labels == ["bird", "umbrella", "bicycle", "bird", "umbrella"]
    assert task.class_ids == ("bicycle", "bird", "umbrella")


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"rename": {"class": "crane", "to": "heron2"}}, "no class 'crane' at this point; there are: bicycle, heron"),
        ({"rename": {"class": "heron", "to": "Bicycle"}}, "there already as 'bicycle'"),
        ({"merge": {"classes": ["heron", "bicycle"], "into": "umbrella"}}, "there already as 'umbrella'"),
        ({"merge": {"classes": ["heron", "heron"], "into": "heron"}}, "twice"),
        ({"split": {"class": "heron", "into": ["umbrella", "egret"]}}, "there already"),
        ({"add": {"class": "heron"}}, "there already"),
        ({"retire": {"class": "stork"}}, "no class 'stork'"),
    ],
)
def test_a_step_that_does_not_fit_is_refused(step, says):
    with pytest.raises(OntologyError, match="step 1 ") as found:
        after(step)
    assert says in str(found.value)


def test_a_migration_of_another_version_is_refused():
    with pytest.raises(OntologyError, match="goes from version '7' to '8'; the task is at version '1'"):
        migrated(BIRDS, migration({"retire": {"class": "heron"}}, origin="7", to="8"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("from: 1\nto: 2\nsteps: [{rename: {class: a, into: b}}]", "rename.into: Extra inputs"),
        ("from: 1\nto: 2\nsteps: [{rename: {class: a, to: b}, retire: {class: c}}]", "a step is one of rename, merge"),
        ("from: 1\nto: 2\nsteps: [{drop: {class: a}}]", "drop: Extra inputs"),
        ("from: 1\nto: 1\nsteps: [{retire: {class: a}}]", "both '1'"),
        ("from: 1\nto: 2\nsteps: []", "at least 1 item"),
        ("from: 1\nto: 2\nsteps: [{split: {class: a, into: [b]}}]", "at least 2 items"),
        ("from: [", "not readable YAML"),
        ("", "is empty; a migration has from, to and steps"),
        ("[]", "valid dictionary"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path, text, says):
    path = tmp_path / "0002-x.yaml"
    path.write_text(text)
    with pytest.raises(OntologyError) as found:
        load_migration(path)
    assert says in str(found.value)


def test_a_missing_file_names_what_is_there(tmp_path):
    (tmp_path / "0002-near.yaml").write_text("")
    with pytest.raises(OntologyError, match=r"beside it: 0002-near.yaml"):
        load_migration(tmp_path / "0002-far.yaml")


def way(*migrations):
    """Versions over migrations, from BIRDS on."""
    task, applied = BIRDS, []
    for n, one in enumerate(migrations, 2):
        applied.append(Applied(f"{n:04d}-m", one, task))
        task = migrated(task, one)
    return Versions(tuple(applied), task)


TWO = way(
    migration({"rename": {"class": "heron", "to": "bird"}}),
    migration({"split": {"class": "umbrella", "into": ["umbrella", "parasol"]}}, origin="2", to="3"),
)


@pytest.mark.parametrize(
    ("class_id", "version", "now", "ended"),
    [
        ("heron", "1", "bird", ""),
        ("bird", "2", "bird", ""),
        ("umbrella", "1", None, "split"),
        ("umbrella", "2", None, "split"),
        ("umbrella", "3", "umbrella", ""),  # the same id, another class
        ("parasol", None, "parasol", ""),  # no version: the oldest that has it
        ("heron", None, "bird", ""),
        ("stranger", None, "stranger", ""),
    ],
)
def test_a_label_moves_from_its_own_version_on(class_id, version, now, ended):
    found = TWO.move(class_id, version)
    assert (found.class_id, found.ended) == (now, ended)
    assert found.by == ("0003-m" if ended else "")


def test_until_ends_the_way():
    assert TWO.until("2").task.class_ids == ("bicycle", "bird", "umbrella")
    assert TWO.until("3") is TWO
    with pytest.raises(OntologyError, match="there are 1, 2, 3"):
        TWO.until("4")


def test_old_names_of_a_vendor_resolve_or_say_why_not():
    names = Names(way(
        migration({"rename": {"class": "heron", "to": "bird"}}),
        migration({"retire": {"class": "umbrella"}}, origin="2", to="3"),
    ))  # fmt: skip
    assert names.version == "3"
    assert [names.resolve(n) for n in ("Heron", "bird", "bike", "brolly", "ghost")] == [
        "bird",
        "bird",
        "bicycle",
        None,
        None,
    ]
    assert names.why_not("brolly") == "retire of class umbrella in migration 0003-m"
    assert names.why_not("ghost") == ""


def test_a_name_that_two_classes_claim_now_is_not_guessed_from_the_past():
    names = Names(way(migration(
        {"rename": {"class": "heron", "to": "bird"}},
        {"add": {"class": "one", "synonyms": ["heron"]}}, {"add": {"class": "two", "synonyms": ["heron"]}},
    )))  # fmt: skip
    assert names.resolve("heron") is None


@st.composite
def ways(draw):
    """A way of one to six random steps, each its own migration."""
    task, made = BIRDS, []
    for n in range(draw(st.integers(1, 6))):
        ids, new = list(task.class_ids), f"new{n}"
        kind = draw(st.sampled_from(["rename", "merge", "split", "retire", "add"]))
        one = draw(st.sampled_from(ids))
        if kind in {"merge", "retire"} and len(ids) < 3:
            kind = "add"
        step = {
            "rename": {"class": one, "to": new},
            "merge": {"classes": draw(st.permutations(ids))[:2], "into": new},
            "split": {"class": one, "into": draw(st.sampled_from([[one, new], [new, f"{new}b"]]))},
            "retire": {"class": one},
            "add": {"class": new},
        }[kind]
        made.append(migration({kind: step}, origin=str(n + 1), to=str(n + 2)))
        task = migrated(task, made[-1])
    return way(*made)


@settings(max_examples=60, deadline=None)
@given(ways())
def test_any_way_leads_every_label_to_a_class_of_today_or_to_its_end(versions):
    for task in [*(one.before for one in versions.applied), versions.task]:
        for class_id in task.class_ids:
            found = versions.move(class_id, task.ontology_version)
            assert (found.class_id in versions.task.class_ids) != bool(found.ended)
            assert found.ended in {"", "split", "retire"}


@settings(max_examples=60, deadline=None)
@given(ways())
def test_a_way_in_two_parts_is_the_whole_way(versions):
    for version in versions.names:
        part = versions.until(version)
        for class_id in BIRDS.class_ids:
            half = part.move(class_id, "1").class_id
            whole = versions.move(class_id, "1")
            assert whole.class_id == (None if half is None else versions.move(half, version).class_id)
