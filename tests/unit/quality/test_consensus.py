from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tailfirst.port import Annotation
from tailfirst.quality.consensus import majority

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def answer(who: str, *classes: str, skipped: bool = False, hour: int = 0, machine: bool = False) -> Annotation:
    return Annotation(
        who, classes, skipped, "too dark" if skipped else "", None, NOON + timedelta(hours=hour), 3.0,
        "MACHINE" if machine else "HUMAN", None,
    )  # fmt: skip


def test_two_of_three() -> None:
    verdict = majority([answer("a", "owl"), answer("b", "owl"), answer("c", "cat")])
    assert (verdict.kind, verdict.class_id, verdict.n_annotations) == ("LABEL", "owl", 3)
    assert verdict.confidence == 2 / 3
    assert verdict.annotators == ("a", "b", "c")


def test_tie_stays_open() -> None:
    verdict = majority([answer("a", "owl"), answer("b", "cat")])
    assert (verdict.kind, verdict.class_id, verdict.reason) == ("UNRESOLVED", None, "tie between cat, owl")


def test_min_agreement() -> None:
    votes = [answer("a", "owl"), answer("b", "owl"), answer("c", "cat")]
    assert majority(votes, 2 / 3).kind == "LABEL"
    assert majority(votes, 0.7).reason == "agreement 0.67 is below 0.70"


def test_skips_do_not_vote() -> None:
    assert majority([answer("a", skipped=True), answer("b", "owl")]).confidence == 1.0
    assert majority([answer("a", skipped=True)]).reason == "skipped: too dark"
    assert majority([answer("a", skipped=True)]).kind == "SKIPPED"


def test_several_classes_and_nothing() -> None:
    assert majority([answer("a", "owl", "cat")]).kind == "UNUSABLE"
    assert majority([]).kind == "UNUSABLE"


def test_newest_answer_of_a_person_counts_once() -> None:
    verdict = majority([answer("a", "owl", hour=2), answer("a", "cat", hour=1), answer("a", "cat", hour=0)])
    assert (verdict.class_id, verdict.n_annotations) == ("owl", 1)


def test_machines_count_only_where_allowed() -> None:
    votes = [answer("m", "cat", machine=True), answer("n", "cat", machine=True), answer("a", "owl")]
    assert majority(votes).class_id == "cat"
    assert majority(votes, humans_only=True).class_id == "owl"
    assert majority(votes[:2], humans_only=True).reason == "only machine answers where people were asked"


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["owl", "cat", "elk"]), st.integers(0, 5))),
    st.randoms(),
)
def test_order_never_matters(votes: list[tuple[str, str, int]], random: object) -> None:
    answers = [answer(who, what, hour=hour) for who, what, hour in votes]
    shuffled = list(answers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert majority(answers) == majority(shuffled)


@given(st.lists(st.sampled_from(["owl", "cat"]), min_size=1, max_size=7))
def test_label_has_strictly_most_votes(classes: list[str]) -> None:
    verdict = majority([answer(f"p{n}", c) for n, c in enumerate(classes)])
    counts = {c: classes.count(c) for c in classes}
    if verdict.kind == "LABEL":
        assert all(counts[verdict.class_id or ""] > n for c, n in counts.items() if c != verdict.class_id)
    else:
        assert counts["owl"] == counts["cat"]


def skip(who: str, reason: str) -> Annotation:
    return replace(answer(who, skipped=True), reason=reason)


def test_none_of_these_and_unusable_are_answers() -> None:
    found = majority([skip("a", "none_of_these"), skip("b", "none_of_these"), answer("c", "owl")])
    assert (found.kind, found.reason, found.confidence) == ("SKIPPED", "none_of_these", 2 / 3)
    assert majority([skip("a", "unusable")]).reason == "unusable"
    found = majority([skip("a", "none_of_these"), answer("b", "owl"), answer("c", "owl")])
    assert (found.class_id, found.confidence, found.annotators) == ("owl", 2 / 3, ("a", "b", "c"))
    tied = majority([skip("a", "none_of_these"), answer("b", "owl")])
    assert (tied.kind, tied.reason) == ("UNRESOLVED", "tie between none_of_these, owl")


def test_unsure_abstains_until_most_are_unsure() -> None:
    assert majority([skip("a", "unsure"), answer("b", "owl")]).class_id == "owl"
    found = majority([skip("a", "unsure"), skip("b", "unsure"), answer("c", "owl")])
    assert (found.kind, found.reason) == ("SKIPPED", "unsure")
