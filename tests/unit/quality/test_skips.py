import pytest

from tailfirst.quality.skips import Answer, answer_of, skip_of
from tailfirst.task import ClassDef, Task

TASK = Task("t", "text", "1", (ClassDef("owl", "owl"), ClassDef("unsure", "Unsure")), ("{}",))


@pytest.mark.parametrize("text", ["none_of_these", "None of these", "NONE-OF-THESE", " none of  these "])
def test_spelling_does_not_matter(text: str) -> None:
    assert skip_of(text) == "none_of_these"


def test_other_texts_are_no_reserved_answer() -> None:
    assert skip_of("too dark") == skip_of("") == ""


def test_a_class_wins_over_a_reserved_answer() -> None:
    assert answer_of("Owl", TASK) == Answer("owl", "")
    assert answer_of("Unsure", TASK) == Answer("unsure", "")
    assert answer_of("Unusable", TASK) == Answer(None, "unusable")
    assert answer_of("zebra", TASK) == Answer(None, "")
