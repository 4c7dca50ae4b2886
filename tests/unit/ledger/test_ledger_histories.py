"""Many hands and many orders: states stay folds of the events, whatever happens."""

import itertools
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tailfirst.ledger
from tailfirst.errors import IllegalTransition
from tailfirst.ledger import Ledger
from tailfirst.ledger.transitions import ROUND, ROUND_STATES, TASK, TASK_STATES
from tests.support.ledgers import AT, answer, line, on_a_database, opened, parsed, raw, submitted

fresh = itertools.count()


def folded(ledger: Ledger, campaign: str) -> dict[str | None, str]:
    """States from the events alone."""
    states: dict[str | None, str] = {}
    for event in ledger.rounds.events(campaign, 1):
        assert states.get(event.key, event.from_state) == event.from_state
        states[event.key] = event.to_state
    return states


@on_a_database(10)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(TASK_STATES)), max_size=15))
def test_task_walks(ledger: Ledger, moves: list[tuple[int, str]]) -> None:
    name = f"t{next(fresh)}"
    keys = opened(ledger, 3, campaign=name)
    states = dict.fromkeys(keys, "PLANNED")
    for which, wished in moves:
        key = keys[which]
        if wished in TASK[states[key]]:
            assert ledger.tasks.move(key, states[key], wished, AT, "walk")
            states[key] = wished
        else:
            with pytest.raises(IllegalTransition):
                ledger.tasks.move(key, states[key], wished, AT, "walk")
            if TASK[wished] and states[key] != wished:
                assert not ledger.tasks.move(key, wished, TASK[wished][0], AT, "walk")
    assert {task.key: task.state for task in ledger.tasks.list(name, 1)} == states
    assert {key: state for key, state in folded(ledger, name).items() if key is not None} == states


@on_a_database(10)
@given(st.lists(st.sampled_from(ROUND_STATES), max_size=15))
def test_round_walks(ledger: Ledger, wishes: list[str]) -> None:
    name = f"r{next(fresh)}"
    opened(ledger, 1, campaign=name)
    state = "SELECTED"
    for wished in wishes:
        if wished in ROUND[state]:
            assert ledger.rounds.move(name, 1, state, wished, AT, "walk")
            state = wished
        else:
            with pytest.raises(IllegalTransition):
                ledger.rounds.move(name, 1, state, wished, AT, "walk")
    assert ledger.rounds.get(name, 1).state == state == folded(ledger, name)[None]


def test_many_hands_on_one_round(ledger: Ledger) -> None:
    """Two collectors, an accountant and a pauser at the same time: no deadlock, and the result of one hand alone."""
    keys = submitted(ledger, 12, price=100)
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def collect() -> None:
        for key in keys:
            ledger.deliveries.store_raw("c", 1, raw(key))
            ledger.deliveries.record_parsed(key, "1", parsed(key, "1", answer()), AT)

    def account() -> None:
        for key in reversed(keys):
            ledger.money.accrue("c", 1, [line(f"l-{key}", key, 100)], AT)

    def pause() -> None:
        for number in range(10):
            ledger.rounds.pause("c", 1, None if number % 2 else "busy", AT, "ann")

    def run(act: Callable[[], None]) -> None:
        start.wait()
        try:
            act()
        except BaseException as error:  # noqa: BLE001  (whatever it is, the test must see it)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in (collect, collect, account, pause)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert ledger.rounds.counts("c", 1) == {"PARSED": 12}
    assert (ledger.money.status("c").reserved, ledger.money.status("c").accrued) == (0, 1_200)
    assert len(ledger.deliveries.annotations("c", 1)) == 12
    assert folded(ledger, "c")[keys[0]] == "PARSED"


def test_history_is_only_appended() -> None:
    """No statement of the ledger updates or deletes a row of `events` or `cost_lines`."""
    package = Path(tailfirst.ledger.__file__).parent
    source = "".join(path.read_text() for path in package.glob("*.py"))
    assert re.search(r"(update|delete)\(\s*(Event|Cost)\b", source) is None
    assert re.search(r"insert\(\s*Event\b", source) is not None
    assert re.search(r"insert\(\s*Cost\b", source) is not None
