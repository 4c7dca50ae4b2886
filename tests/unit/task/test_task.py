"""The task: what resolves, what is refused, and that a saved task reads back the same."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.errors import TaskFolderError
from tailfirst.task import ClassDef, Task, fill, fold, load_task, readable, save_task

PETS = Task(
    "pets",
    "image",
    "2",
    (
        ClassDef("hot_dog", "hot dog", ("frankfurter", "sausage in a bun")),
        ClassDef("cat", "house cat", ("kitty",), "a small felid"),
        ClassDef("kitty", "a kitten"),
    ),
    ("a photo of a {}.", "a drawing of a {}."),
)


def test_resolve_ignores_case_spaces_hyphens_and_underscores():
    assert [PETS.resolve(n) for n in ("hot_dog", "Hot-Dog", " HOT  dog ", "FrankFurter")] == ["hot_dog"] * 4


def test_resolve_prefers_id_over_name_over_synonym():
    assert PETS.resolve("kitty") == "kitty"
    assert PETS.resolve("House Cat") == "cat"


def test_resolve_says_none_for_the_unknown_and_the_ambiguous():
    two = replace(PETS, classes=(ClassDef("crane-1", "crane"), ClassDef("crane-2", "crane")))
    assert PETS.resolve("dog") is None
    assert two.resolve("crane") is None
    assert two.resolve("crane 2") == "crane-2"


def test_index_and_class_ids_follow_the_task_order():
    assert PETS.class_ids == ("hot_dog", "cat", "kitty")
    assert PETS.index("cat") == 1
    with pytest.raises(TaskFolderError, match=r"no class 'dog'.*hot_dog"):
        PETS.index("dog")


def test_version_is_the_ontology_version():
    assert PETS.version == "2"


def test_prompts_are_plain_replacements():
    assert PETS.prompts(["cat"]) == ("a photo of a cat.", "a drawing of a cat.")
    assert fill("{}", "{0.__class__}") == "{0.__class__}"


def test_digest_changes_with_what_labelers_read_only():
    assert PETS.digest == replace(PETS, templates=("{}",), name="other").digest
    assert PETS.digest != replace(PETS, ontology_version="3").digest
    assert PETS.digest != replace(PETS, classes=(*PETS.classes, ClassDef("d", "d"))).digest


def test_saved_task_reads_back_and_the_bytes_repeat(tmp_path: Path):
    first = save_task(PETS, tmp_path / "task.yaml")
    assert load_task(tmp_path / "task.yaml") == PETS
    assert save_task(load_task(tmp_path / "task.yaml"), tmp_path / "task.yaml").sha256 == first.sha256


def test_short_form_of_classes(tmp_path: Path):
    path = tmp_path / "task.yaml"
    path.write_text("name: t\nmodality: text\nclasses: [lost_card, 7, {id: a-b, name: A}]\n")
    task = load_task(path)
    assert task.classes == (ClassDef("lost_card", "lost card"), ClassDef("7", "7"), ClassDef("a-b", "A"))
    assert task.templates == ("{}",)
    assert task.ontology_version == "1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: t\nmodality: smell\nclasses: [a, b]\n", "modality"),
        ("name: t\nmodality: text\nclasses: [a, b]\ncolour: red\n", "colour.*known keys.*classes"),
        ("name: t\nmodality: text\n", "classes"),
        ("[1, 2", "not readable YAML"),
        ("just words", "task.yaml"),
        ("name: t\nmodality: text\nclasses: [a]\n", "at least 2"),
        ("name: t\nmodality: text\nclasses: [a_b, A-B]\n", "mean the same"),
        ("name: t\nmodality: text\nclasses: [a, '']\n", "printable"),
        ("name: t\nmodality: text\nclasses: [a, b]\ntemplates: ['no place']\n", "must hold"),
        ("name: t\nmodality: text\nclasses: [a, b]\ntemplates: ['{} {}']\n", "must hold"),
        ("name: t\nmodality: text\nclasses: [a, b]\ntemplates: []\n", "templates"),
    ],
)
def test_wrong_task_files_say_what_is_wrong(tmp_path: Path, text: str, why: str):
    path = tmp_path / "task.yaml"
    path.write_text(text)
    with pytest.raises(TaskFolderError, match=why):
        load_task(path)


def test_missing_task_says_where(tmp_path: Path):
    with pytest.raises(TaskFolderError, match=r"no task at .*task\.yaml"):
        load_task(tmp_path / "task.yaml")


def test_same_id_twice_is_refused():
    with pytest.raises(TaskFolderError, match="mean the same"):
        Task("t", "text", "1", (ClassDef("a", "a"), ClassDef("a", "b")), ("{}",))


@given(st.text(min_size=1, max_size=30))
def test_fold_is_idempotent(name: str):
    assert fold(fold(name)) == fold(name)


def test_readable():
    assert readable("card_payment-fee") == "card payment fee"
