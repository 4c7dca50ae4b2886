"""Few visits per host, the others meanwhile, repeats after a pause."""

import threading

import pytest

from tailfirst.errors import UrlRetry
from tailfirst.fetching.schedule import Schedule, pause


class Clock:
    """Time that moves when it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def urls(*names):
    return iter([f"http://{name}.example/{number}" for number, name in enumerate(names)])


def test_a_full_host_waits_and_the_next_host_goes_first():
    schedule = Schedule(urls("a", "a", "a", "b"), per_host=2)
    taken = [schedule.take() for _ in range(3)]
    assert [visit.url[7] for visit in taken] == ["a", "a", "b"]
    schedule.done(taken[0])
    assert schedule.take().url == "http://a.example/2"


def test_nothing_left_is_none_once_all_have_ended():
    schedule = Schedule(urls("a"), per_host=1)
    visit, got = schedule.take(), []
    other = threading.Thread(target=lambda: got.append(schedule.take()))
    other.start()
    schedule.done(visit)
    other.join(5)
    assert got == [None]
    assert schedule.take() is None


def test_a_repeat_comes_after_its_pause_and_others_before_it():
    clock = Clock()
    schedule = Schedule(urls("a", "a"), per_host=1, clock=clock)
    first = schedule.take()
    schedule.again(first, 10.0)
    second = schedule.take()
    assert second.url == "http://a.example/1"
    schedule.done(second)
    clock.now = 10.0
    assert schedule.take() is first


def test_a_redirect_takes_a_place_at_the_other_host_and_gives_its_own_back():
    schedule = Schedule(urls("a", "b", "a"), per_host=1)
    one, two = schedule.take(), schedule.take()
    with pytest.raises(UrlRetry, match="too many visits"):
        schedule.enter(one, "b.example", until=0.0)
    schedule.done(two)
    schedule.enter(one, "b.example", until=0.0)
    assert schedule.take().url == "http://a.example/2"


def test_after_stop_nothing_is_handed_out():
    schedule = Schedule(urls("a", "b"), per_host=1)
    schedule.take()
    schedule.stop()
    assert schedule.take() is None


def test_what_is_no_url_is_handed_out_too_so_that_it_is_refused_by_name():
    schedule = Schedule(iter(["", "http://[", "nonsense"]), per_host=3)
    assert [schedule.take().url for _ in range(3)] == ["", "http://[", "nonsense"]


def test_pauses_double_and_differ():
    waits = [pause("http://a.example/1", tries, 2.0) for tries in (1, 2, 3)]
    assert waits == [waits[0], 2 * waits[0], 4 * waits[0]]
    assert 2.0 <= waits[0] < 4.0
    assert pause("http://a.example/12", 1, 2.0) != pause("http://a.example/13", 1, 2.0)
