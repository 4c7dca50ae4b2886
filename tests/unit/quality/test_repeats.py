"""What the next batch buys again: shares, caps, and what may never be among it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tailfirst.config import Quality
from tailfirst.quality.history import History, Told
from tailfirst.quality.repeats import Known, mixed, repeats

CLASSES = ("owl", "cat", "elk")


def known(n_gold: int, n_train: int, again: tuple[int, ...] = (), seed: int = 0) -> Known:
    """Gold g0 .., items t0 .. with one or two answers; every second one was answered by two who disagree."""
    rng = np.random.default_rng(seed)
    answers = {
        f"t{n}": tuple(Told(f"p{k}", CLASSES[(n + k * (n % 2)) % 3], is_class=True) for k in range(1 + n % 2))
        for n in range(n_train)
    }
    return Known(
        gold={f"g{n}": "owl" for n in range(n_gold)},
        used={},
        history=History(answers, dict.fromkeys(answers, 1), {f"t{n}": "rework" for n in again}, {}, ()),
        confidence={item: 0.5 + 0.5 * (len(told) == 1) for item, told in answers.items()},
        out_of_sample={item: rng.dirichlet([1, 1, 1]) for item in answers},
        unlabeled=rng.dirichlet([1, 1, 1], size=50),
        class_ids=CLASSES,
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 12), st.integers(0, 30), st.integers(1, 40), st.floats(0, 0.3), st.floats(0, 0.5), st.integers(0, 9)
)
def test_shares_are_caps_and_gold_is_never_asked_for_a_label(
    n_gold: int, n_train: int, budget: int, relabel: float, gold_share: float, n_again: int
) -> None:
    facts = known(n_gold, n_train, tuple(range(min(n_again, n_train))))
    quality = Quality(relabel_share=relabel, gold_share=gold_share)
    found = repeats(facts, budget, quality, 50, [7, 1])
    ids = [one.item_id for one in found]
    gold = [one for one in found if one.purpose == "GOLD"]
    again = [one for one in found if one.purpose == "RELABEL"]
    assert len(ids) == len(set(ids)) < max(budget, 1) + 1
    assert budget - len(found) >= 1
    assert len(gold) <= np.ceil(gold_share * budget)
    assert len(again) <= 0.30 * budget
    assert {one.item_id for one in gold} <= facts.gold.keys()
    assert {one.item_id for one in again} <= facts.history.answers.keys()


def test_nothing_is_repeated_by_default() -> None:
    assert repeats(known(5, 20), 20, Quality(), 50, [7, 1]) == ()


def test_rework_comes_first_and_second_opinions_fill_the_rest() -> None:
    found = repeats(known(0, 20, again=(4, 2)), 20, Quality(relabel_share=0.2), 50, [7, 1])
    assert [one.item_id for one in found[:2]] == ["t2", "t4"]
    assert len(found) == 4
    assert all(one.reason.startswith("second opinion: ") for one in found[2:])


def test_sure_items_and_those_with_enough_answers_are_left_alone() -> None:
    facts = known(0, 20)
    sure = dict.fromkeys(facts.confidence, 0.99)
    asked = Quality(relabel_share=0.3, overlap_max=2)
    assert all(int(one.item_id[1:]) % 2 == 0 for one in repeats(facts, 40, asked, 50, [7, 1]))
    facts = Known(facts.gold, {}, facts.history, sure, facts.out_of_sample, facts.unlabeled, CLASSES)
    found = repeats(facts, 40, Quality(relabel_share=0.3), 50, [7, 1])
    assert all(len(facts.history.answers[one.item_id]) == 1 for one in found)


def test_gold_alone_is_never_bought() -> None:
    assert repeats(known(5, 0), 10, Quality(gold_share=0.2), 0, [7, 1]) == ()


def test_repeats_lie_among_the_picks() -> None:
    order = mixed(3, 20, 6, [7, 1])
    assert order[:3] == [0, 1, 2]
    assert sorted(order) == list(range(29))
    picks = [row for row in order if 3 <= row < 23]
    assert picks == sorted(picks), "the picks keep their ranking"
    assert order[-6:] != list(range(23, 29))
