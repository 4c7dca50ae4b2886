from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.quality.gold import choose

GOLD = {f"g{n}": "owl" for n in range(6)}


@given(st.integers(0, 8), st.integers(1, 4), st.integers(1, 12))
def test_exposure_is_even_and_capped(wanted: int, max_uses: int, rounds: int) -> None:
    used: Counter[str] = Counter()
    for round_no in range(rounds):
        chosen = choose(GOLD, used, wanted, max_uses, np.random.default_rng([7, round_no]))
        assert len(chosen) == len(set(chosen)) <= wanted
        used.update(chosen)
        assert max(used.values(), default=0) <= max_uses
        assert max(used.values(), default=0) - min(used[item] for item in GOLD) <= 1


def test_used_up_gold_is_not_shown() -> None:
    assert choose(GOLD, dict.fromkeys(GOLD, 3), 4, 3, np.random.default_rng(0)) == ()
    left = choose(GOLD, {"g0": 3, "g1": 2}, 9, 3, np.random.default_rng(0))
    assert left[-1] == "g1"
    assert "g0" not in left
