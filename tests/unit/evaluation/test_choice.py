"""Which candidate ranks the pool."""

from tailfirst.config import Choice
from tailfirst.evaluation.choice import choose

RULE = Choice(metric="balanced_accuracy")


def metrics(value, low=None, available=True, why=None):
    point = None if value is None else {"value": value, "low": value - 0.05, "high": value + 0.05}
    versus = None if low is None else {"balanced_accuracy": {"value": low + 0.02, "low": low, "high": low + 0.04}}
    return {"available": available, "why": why, "balanced_accuracy": point, "versus_zero_shot": versus}


def test_the_best_wins():
    found = choose({"zero_shot": metrics(0.5), "probe": metrics(0.6, low=0.03)}, ["zero_shot"], RULE)
    assert (found.candidate, found.scores) == ("probe", {"zero_shot": 0.5, "probe": 0.6})


def test_a_gain_that_may_be_a_loss_stays_with_zero_shot_and_says_so():
    found = choose({"zero_shot": metrics(0.5), "probe": metrics(0.51, low=-0.01)}, ["zero_shot"], RULE)
    assert found.candidate == "zero_shot"
    assert "probe scored higher" in found.why


def test_equal_scores_go_to_the_first_in_params():
    same = {"zero_shot": metrics(0.5), "probe": metrics(0.5, low=0.0)}
    assert choose(same, ["zero_shot"], RULE).candidate == "zero_shot"
    assert choose(dict(reversed(same.items())), ["zero_shot"], RULE).candidate == "probe"


def test_without_a_zero_shot_candidate_the_best_is_taken():
    assert choose({"probe": metrics(0.51, low=-0.01), "b": metrics(0.4, low=-0.2)}, [], RULE).candidate == "probe"
    assert choose({"probe": metrics(0.3)}, [], RULE).candidate == "probe"


def test_unavailable_candidates_do_not_count():
    found = choose({"z": metrics(None, available=False, why="no text"), "probe": metrics(0.4)}, ["z"], RULE)
    assert (found.candidate, found.scores["z"]) == ("probe", None)


def test_nothing_available():
    found = choose({"z": metrics(None, available=False, why="no text")}, ["z"], RULE)
    assert found.candidate is None
    assert "z: no text" in found.why
