"""The token bucket by hand."""

from tailfirst.webhooks.limits import KEPT, Buckets

ME, YOU = ("10.0.0.1", "c"), ("10.0.0.2", "c")


def test_a_burst_then_the_rate():
    buckets = Buckets(rate=2, burst=3)
    assert [buckets.wait_s(ME, 0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait_s(ME, 0.25) == 0.25
    assert buckets.wait_s(ME, 0.5) == 0
    assert buckets.wait_s(ME, 0.5) == 0.5


def test_others_are_not_touched_and_rest_fills_up_to_the_burst():
    buckets = Buckets(rate=1, burst=2)
    assert [buckets.wait_s(ME, 0) for _ in range(3)] == [0, 0, 1]
    assert buckets.wait_s(YOU, 0) == 0
    assert [buckets.wait_s(ME, 100) for _ in range(3)] == [0, 0, 1]


def test_a_clock_that_goes_back_takes_nothing():
    buckets = Buckets(rate=1, burst=1)
    buckets.wait_s(ME, 10)
    assert buckets.wait_s(ME, 5) == 1


def test_many_callers_do_not_fill_the_memory():
    buckets = Buckets(rate=1, burst=1)
    buckets.wait_s(ME, 0)
    for n in range(KEPT):
        buckets.wait_s((str(n), "c"), 0)
    assert len(buckets._buckets) == KEPT
    assert buckets.wait_s(ME, 0) == 0  # forgotten, so it starts anew
