"""What every tracker must do: write a round, write it again without twins, move the champion only by the gate."""

from dataclasses import dataclass

import pytest

from tailfirst import plugins
from tailfirst.config import Settings
from tailfirst.errors import Unavailable
from tests.support import rounds_to_track as rounds


@dataclass(frozen=True)
class Verdict:
    promote: bool
    why: str
    baseline: float | None


class Gate:
    """Promotes what answers more of the holdout correctly; remembers what it was shown."""

    def __init__(self):
        self.seen = []

    def __call__(self, champion, challenger):
        before = None if champion is None else rounds.accuracy(champion)
        after = rounds.accuracy(challenger)
        self.seen.append((before, after))
        return Verdict(before is None or after > before, "by accuracy", before)


@pytest.fixture(params=plugins.names("trackers"))
def kind(request):
    return request.param


@pytest.fixture
def ws(tmp_path):
    return rounds.workspace(tmp_path)


@pytest.fixture
def tracker(kind, ws):
    return plugins.load("trackers", kind).load(ws, Settings(_env_file=None))


def test_a_round_is_logged_and_logged_again(tracker, ws):
    one = rounds.report(ws, 1, 0.6)
    assert tracker.log_round(one) == tracker.log_round(rounds.with_page(one, ws))


def test_promote_needs_a_logged_round(tracker, ws):
    with pytest.raises(Unavailable, match="log_round first"):
        tracker.promote(rounds.report(ws, 1, 0.6), Gate())


def test_a_round_without_a_candidate_is_logged_but_promotes_nothing(tracker, ws):
    one = rounds.without_choice(rounds.report(ws, 1, 0.6))
    tracker.log_round(one)
    with pytest.raises(Unavailable):
        tracker.promote(one, Gate())


def test_the_champion_moves_only_when_the_gate_says_so(tracker, ws):
    gate = Gate()
    for round_no, right in ((1, 0.5), (2, 0.8), (3, 0.6), (4, 0.9)):
        one = rounds.report(ws, round_no, right)
        tracker.log_round(one)
        tracker.promote(one, gate)
    assert gate.seen == [(None, 0.5), (0.5, 0.8), (0.8, 0.6), (0.8, 0.9)]


def test_a_repeated_promotion_gives_the_same_verdict(tracker, ws):
    gate = Gate()
    for round_no, right in ((1, 0.5), (2, 0.8)):
        one = rounds.report(ws, round_no, right)
        tracker.log_round(one)
        first = tracker.promote(one, gate)
        tracker.log_round(rounds.with_page(one, ws))
        assert tracker.promote(one, gate) == first
    assert gate.seen == [(None, 0.5), (None, 0.5), (0.5, 0.8), (0.5, 0.8)]


def test_the_gate_sees_the_champions_own_answers_not_what_lies_in_work_now(tracker, ws):
    gate = Gate()
    for round_no, right in ((1, 0.5), (2, 0.4)):
        one = rounds.report(ws, round_no, right)
        tracker.log_round(one)
        tracker.promote(one, gate)
    assert gate.seen[-1] == (0.5, 0.4)
