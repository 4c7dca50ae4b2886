from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst import plugins
from tailfirst.config import Settings
from tailfirst.errors import ConfigError, Unavailable, UserError
from tailfirst.paths import Workspace
from tailfirst.port import BatchKey, BatchSpec, Money, ProjectRef, ProjectSpec
from tailfirst.vendors import simulated
from tailfirst.vendors._simulated_answers import answers, choose_annotators, start_of, uniform
from tailfirst.vendors._simulated_params import IMPLEMENTED, KNOWN_FAULTS, Annotator, Params

CLASSES = ("cat", "elk", "owl", "yak")
TRUTH = {f"i{n:04d}": CLASSES[n % 4] for n in range(2000)}
IDS = sorted(TRUTH)


def params(**given: Any) -> Params:
    made = plugins.params("vendors", "simulated", given)
    assert isinstance(made, Params)
    return made


def test_all_36_names_are_known() -> None:
    assert len(KNOWN_FAULTS) == len(set(KNOWN_FAULTS)) == 36
    assert set(IMPLEMENTED) < set(KNOWN_FAULTS)


@pytest.mark.parametrize("name", KNOWN_FAULTS)
def test_every_fault_is_accepted(name: str) -> None:
    more = {"keep": 3, "of": 10} if name == "batch_partial" else {}
    assert params(faults=[{"name": name, "rate": 0.1, **more}]).armed(name)


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ({"name": "tpyo", "rate": 1}, "no fault 'tpyo'"),
        ({"name": "create_timeout"}, "exactly one of rate, at_call, items"),
        ({"name": "create_timeout", "rate": 0.1, "at_call": 2}, "exactly one of"),
        ({"name": "late_label", "at_call": 2}, "fires per item"),
        ({"name": "create_timeout", "items": ["x"]}, "fires per call"),
        ({"name": "batch_partial", "at_call": 1}, "needs keep and of"),
        ({"name": "batch_partial", "at_call": 1, "keep": 3, "of": 2}, "needs keep and of"),
        ({"name": "late_label", "rate": 0.1, "keep": 1}, "takes no keep/of"),
        ({"name": "late_label", "rate": 0.1, "after_commit": True}, "takes no after_commit"),
        ({"name": "late_label", "annotators": ["a1"]}, "is not about people"),
        ({"name": "annotator_spam", "items": ["x"]}, "fires per call or person"),
        ({"name": "vendor_down", "at_call": 1, "on": "lunch"}, "no operation 'lunch'"),
        ({"name": "late_label", "rate": 0.1, "on": "submit"}, "takes no on; only vendor_down"),
        ({"name": "vendor_down", "rate": 0.1, "calls": 3}, "`calls` goes with at_call"),
        ({"name": "late_label", "rate": 2}, "less than or equal to 1"),
    ],
)
def test_wrong_faults_are_explained(fault: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        params(faults=[fault])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"prize_micros": {}}, "known keys of vendors.simulated: seed, currency, price_micros"),
        ({"annotators": []}, "at least 1 item"),
        ({"annotators": [{"id": "a"}, {"id": "a"}]}, "must be distinct"),
        ({"latency": {"median_s": 10, "p95_s": 5}}, "must not be below median_s"),
        ({"idempotency": "SOMETIMES"}, "'NATIVE', 'NATIVE_TTL', 'EMULATED' or 'NONE'"),
        ({"price_micros": {"TRAIN": -1}}, "greater than or equal to 0"),
    ],
)
def test_wrong_options_are_explained(given: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        params(**given)


def test_skill_is_the_share_of_right_answers() -> None:
    staff = [{"id": "good", "skill": 0.9}]
    found = answers(params(annotators=staff), TRUTH, IDS)
    right = sum(found[i][0].class_ids == (TRUTH[i],) for i in IDS)
    assert abs(right / len(IDS) - 0.9) < 0.03


def test_mistakes_follow_the_confusion() -> None:
    staff = [{"id": "a", "skill": 0.5, "confuse": {"owl": "cat"}}]
    found = answers(params(annotators=staff), TRUTH, IDS)
    owls = Counter(found[i][0].class_ids[0] for i in IDS if TRUTH[i] == "owl")
    assert set(owls) == {"owl", "cat"}
    others = Counter(found[i][0].class_ids[0] for i in IDS if TRUTH[i] == "elk")
    assert set(others) == set(CLASSES)


def test_spam_and_skips() -> None:
    spam = answers(params(annotators=[{"id": "s", "skill": 1, "spam": 1}]), TRUTH, IDS)
    assert abs(sum(spam[i][0].class_ids == (TRUTH[i],) for i in IDS) / len(IDS) - 0.25) < 0.04
    skips = answers(params(annotators=[{"id": "s", "skip": 1}]), TRUTH, IDS[:5])
    assert all(a.skipped and not a.class_ids and a.reason for (a,) in skips.values())


def test_latency_goes_through_its_quantiles() -> None:
    found = answers(params(latency={"median_s": 3600, "p95_s": 36000}), TRUTH, IDS, round_no=2)
    waits = sorted((a.started_at - start_of(2)).total_seconds() for (a,) in found.values() if a.started_at)
    assert abs(median(waits) / 3600 - 1) < 0.15
    assert abs(waits[int(0.95 * len(waits))] / 36000 - 1) < 0.25
    assert max(waits) <= 3 * 36000


def test_times_depend_on_the_round_alone() -> None:
    assert start_of(0) == datetime(2026, 1, 5, 8, tzinfo=UTC)
    one, two = (answers(params(), TRUTH, IDS[:3], round_no=n) for n in (1, 2))
    for item in IDS[:3]:
        assert (two[item][0].submitted_at - one[item][0].submitted_at).days == 7
        assert one[item][0].class_ids == two[item][0].class_ids


@given(st.permutations(IDS[:8]), st.integers(1, 5))
def test_an_answer_depends_on_nothing_but_its_own_key(order: list[str], overlap: int) -> None:
    whole = answers(Params(), TRUTH, IDS[:8], overlap)
    assert answers(Params(), TRUTH, order, overlap) == whole
    assert answers(Params(), TRUTH, order[:2], overlap) == {i: whole[i] for i in order[:2]}


def test_people_share_the_work() -> None:
    load = Counter(a.id for i in IDS for a in choose_annotators(Params(), i, 1))
    assert set(load) == {"a1", "a2", "a3", "a4", "a5"}
    assert min(load.values()) > 300
    assert len({a.id for a in choose_annotators(Params(), "i", 5)}) == 5


def test_adding_a_fault_moves_no_other_draw() -> None:
    assert uniform(7, "fault", "late_label", "k") != uniform(7, "fault", "cursor_skip", "k")
    with_fault = params(faults=[{"name": "late_label", "rate": 0.0}])
    assert answers(with_fault, TRUTH, IDS[:20]) == answers(params(), TRUTH, IDS[:20])


def test_no_known_labels_is_said_before_anything_is_bought(tmp_path: Path) -> None:
    vendor = simulated.load(Params(), Workspace(tmp_path), Settings(_env_file=None))
    with pytest.raises(Unavailable, match=r"init --label-column.*a real vendor is a plugin"):
        vendor.ensure_project(ProjectSpec("p", "1", "d", "d", "PUBLIC"))


def test_more_answers_than_people(tmp_path: Path) -> None:
    vendor = simulated.SimulatedVendor(
        Params(annotators=(Annotator(id="only"),)), simulated.Book(tmp_path / "book.db"), lambda: TRUTH
    )
    ref = ProjectRef("simulated", "p", "d")
    spec = BatchSpec(BatchKey("b" * 64), ref, 1, "TRAIN", 1, 2, datetime(2026, 1, 1, tzinfo=UTC), Money(1, "USD"))
    with pytest.raises(UserError, match=r"round\.overlap is 2, but vendor\.annotators has 1"):
        vendor.open_batch(spec)
