"""When Prefect is told of webhooks, by hand."""

from flows.bell import DEAF_S, QUIET_S, REFUSED_LEAST, WINDOW_S, Bell, Ring
from tailfirst.webhooks.outcomes import Outcome


def test_the_first_hint_rings_at_once_and_the_next_ones_together():
    bell = Bell()
    assert list(bell.due(0)) == []
    bell.hear(Outcome.STORED, 0)
    (ring,) = bell.due(0)
    assert ring == Ring("received", 1)
    bell.rung(ring, 0, heard=True)
    for at in (1, 2):
        bell.hear(Outcome.STORED, at)
    assert list(bell.due(QUIET_S - 0.1)) == []
    assert list(bell.due(QUIET_S)) == [Ring("received", 2)]


def test_what_nobody_heard_is_told_again_later():
    bell = Bell()
    bell.hear(Outcome.STORED, 0)
    bell.rung(*bell.due(0), 0, heard=False)
    assert list(bell.due(DEAF_S - 0.1)) == []
    assert list(bell.due(DEAF_S)) == [Ring("received", 1)]
    assert list(bell.due(1, last=True)) == [Ring("received", 1)]


def test_only_news_rings():
    bell = Bell()
    for outcome in set(Outcome) - {Outcome.STORED}:
        bell.hear(outcome, 0)
    assert list(bell.due(0)) == []


def test_refused_calls_are_told_above_a_rate():
    bell = Bell()
    for n in range(REFUSED_LEAST - 1):
        bell.hear(Outcome.FORGED, n)
    bell.hear(Outcome.STALE, WINDOW_S + 1)  # the first two are forgotten
    assert list(bell.due(WINDOW_S + 1)) == []
    for _ in range(2):
        bell.hear(Outcome.REPLAYED, WINDOW_S + 1)
    (ring,) = bell.due(WINDOW_S + 1)
    assert ring == Ring("refused", REFUSED_LEAST)
    bell.rung(ring, WINDOW_S + 1, heard=True)
    assert list(bell.due(WINDOW_S + 1)) == []
