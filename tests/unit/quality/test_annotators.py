"""What is said of annotators by hand, and who is suspected of spam."""

import numpy as np
import pytest

from tailfirst.evaluation.intervals import wilson
from tailfirst.quality.annotators import per_class, statistics
from tailfirst.quality.answers import Answers
from tailfirst.quality.majority import majority
from tailfirst.quality.spam import SpamRules, dropped, spammers, suspects


def hand():
    """p, q on items 1 to 4, r on item 4 and alone on 5."""
    rows = [
        ("1", "p", "a"), ("1", "q", "a"), ("2", "p", "b"), ("2", "q", "b"), ("3", "p", "a"), ("3", "q", "b"),
        ("4", "p", "b"), ("4", "q", "b"), ("4", "r", "a"), ("5", "r", "a"),
    ]  # fmt: skip
    return Answers.build(rows, "ab")


def test_statistics_by_hand():
    answers = hand()
    seconds = answers.aligned({("1", "p"): 4, ("2", "p"): 8, ("3", "p"): 1, ("4", "p"): 2, ("4", "r"): 7})
    labels = np.array([0, 1, 0, 1, 0])
    p, q, r = statistics(answers, labels, {"1": "a", "3": "b"}, np.array([0, 0, 0, 1, 1]), seconds)
    assert (p.annotator_id, p.n_answers, p.n_gold, p.n_shared) == ("p", 4, 2, 4)
    assert (p.gold, q.gold, r.gold) == (wilson(1, 2, 0.95), wilson(2, 2, 0.95), None)
    assert p.peers == wilson(2.5, 4, 0.95), "items 1 and 2 in full, 3 not, 4 half"
    assert r.peers == wilson(0, 1, 0.95)
    assert (p.model, q.model, r.model) == (0.75, 0.5, 0.0)
    assert (p.median_seconds, r.median_seconds) == (3, 7)
    assert np.isnan(q.median_seconds)
    assert p.entropy_bits == 1.0
    assert q.entropy_bits == pytest.approx(-(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75)))
    assert (r.entropy_bits, r.expected_bits, r.n_other) == (0, 1.0, 1)
    assert p.n_other == 2


def test_chance_by_hand():
    """r meets p and q on item 4 only and says a where both say b: chance 0. p: own a 2, b 3 (item 4 counts twice);
    met a 1 + 1 (q on 1, r on 4), b 3: (2 * 2 + 3 * 3) / 25."""
    p, _, r = statistics(hand(), np.array([0, 1, 0, 1, 0]))
    assert r.chance == 0
    assert p.chance == pytest.approx(13 / 25)


def test_per_class_by_hand():
    answers = Answers.build([("1", "p", "a"), ("2", "p", "b"), ("3", "p", "b"), ("3", "q", "a")], "abc")
    rows = per_class(answers, np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]]))
    assert [(r.annotator_id, r.class_id, r.n, r.accuracy.value, r.mistaken_for) for r in rows] == [
        ("p", "a", 2, 0.5, "b"), ("p", "b", 1, 1.0, None), ("q", "b", 1, 0.0, "a"),
    ]  # fmt: skip


def test_medians_against_numpy(crowd):
    one = crowd(0, n=200)
    rng = np.random.default_rng(0)
    seconds = np.where(rng.random(len(one.answers.items)) < 0.2, np.nan, rng.exponential(5, len(one.answers.items)))
    found = statistics(one.answers, majority(one.answers).labels, seconds=seconds)
    for k, row in enumerate(found):
        assert row.median_seconds == pytest.approx(np.nanmedian(seconds[one.answers.annotators == k]))


def team(n=400, c=6, seed=0):
    """Ten careful annotators, a guesser, a constant answerer, and a careful one who is very fast."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(c, size=n)
    rows, seconds = [], {}
    names = [f"good{k}" for k in range(10)] + ["guess", "same", "swift"]
    for i, t in enumerate(truth):
        for who in rng.choice(len(names), 3, replace=False):
            name, item = names[who], f"{i:04d}"
            right = t if rng.random() < 0.9 else rng.integers(c)
            label = {"guess": int(rng.integers(c)), "same": 2}.get(name, int(right))
            rows.append((item, name, f"c{label}"))
            seconds[item, name] = rng.exponential({"guess": 1, "swift": 1}.get(name, 9)) + 0.2
    answers = Answers.build(rows, [f"c{k}" for k in range(c)])
    known = {f"{i:04d}": f"c{truth[i]}" for i in range(0, n, 8)}
    return answers, known, answers.aligned(seconds)


@pytest.mark.parametrize("seed", range(4))
def test_spammers_are_found_and_nobody_else(seed):
    answers, known, seconds = team(seed=seed)
    found = suspects(statistics(answers, majority(answers).labels, known, seconds=seconds))
    assert spammers(found) == ("guess", "same")
    signs = {(s.annotator_id, s.sign) for s in found}
    assert {("guess", "gold"), ("guess", "agreement"), ("guess", "speed"), ("same", "constant")} <= signs
    assert ("swift", "speed") in signs, "a sign, but not enough alone"


def test_agreement_alone_finds_them_without_gold():
    answers, _, seconds = team(seed=1)
    found = suspects(statistics(answers, majority(answers).labels, seconds=seconds))
    assert spammers(found) == ("guess", "same")


def test_skewed_items_are_no_spam():
    """Nine of ten items are c0, so everybody answers it most of the time; only the one who always does stands out."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(500):
        t = 0 if rng.random() < 0.9 else 1
        chosen = rng.choice(5, 3, replace=False)
        rows += [(f"{i:03d}", f"a{who}", f"c{0 if who == 4 else t}") for who in chosen]
    answers = Answers.build(rows, ["c0", "c1"])
    found = suspects(statistics(answers, majority(answers).labels))
    assert {(s.annotator_id, s.sign) for s in found} == {("a4", "constant")}
    assert spammers(found) == ("a4",)


def test_few_answers_prove_nothing():
    rows = [(f"{i}", who, "a" if who == "p" else "b") for i in range(4) for who in "pq"]
    answers = Answers.build(rows, "ab")
    known = {str(i): "b" for i in range(4)}
    stats = statistics(answers, majority(answers).labels, known, seconds=np.full(8, 0.01))
    assert suspects(stats) == ()
    strict = SpamRules(min_gold=4, min_answers=4)
    assert spammers(suspects(stats, strict)) == ("p",)


def test_what_is_dropped_by_hand():
    """p: right on gold at 2, wrong at 4. Answers at 1 and 2 stay. q never right: all go. r is not accused."""
    rows = [
        (item, who, label)
        for who, labels in (("p", "aabba"), ("q", "bbbbb"), ("r", "bbbbb"))
        for item, label in zip("12345", labels, strict=True)
    ]
    answers = Answers.build(rows, "ab")
    when = answers.aligned({(item, who): float(item) for item, who, _ in rows if (item, who) != ("5", "p")})
    gone = dropped(answers, when, {"2": "a", "4": "a"}, ["p", "q", "nobody"])
    kept = {
        (answers.item_ids[answers.items[k]], answers.annotator_ids[answers.annotators[k]])
        for k in np.flatnonzero(~gone)
    }
    assert kept == {("1", "p"), ("2", "p"), *((item, "r") for item in "12345")}
    assert not dropped(answers, when, {}, []).any()
