"""The tail rule alone: water-filling on counts, by hand."""

import json

import numpy as np
import pytest

from tailfirst.backtesting import tail_rule
from tailfirst.backtesting.tail_rule import Round, simulate


def test_the_rarest_class_takes_all_until_it_is_level():
    # counts with the first label: 1 6 11 16; four more: 5 6 11 16; ties to the first class: 8 7 11 16; then 10 9 11 16
    found = simulate(np.array([0.0, 5, 10, 15]), 1.0, rounds=3)
    assert found == [Round(1, 1.0, 3), Round(2, 0.75, 2), Round(2, 0.5, 2)]


def test_a_weight_of_zero_balances_labels():
    assert simulate(np.array([0.0, 5, 10, 15]), 0.0, rounds=2) == [Round(4, 0.25, 0)] * 2


def test_a_cap_sends_the_rest_to_the_next_class():
    # one class may take ceil(0.5 * 4) = 2 of 4
    assert simulate(np.array([0.0, 5, 10, 15]), 1.0, max_share=0.5, rounds=1) == [Round(2, 0.5, 2)]


def test_a_class_runs_out_of_items():
    # 3 items a class, one labeled: 2 of the first class, then 2 of the second
    assert simulate(np.array([0.0, 5, 10, 15]), 1.0, supply=3, rounds=1) == [Round(2, 0.5, 2)]


def write(folder, size=4):
    for name in tail_rule.LISTS:
        rows = {str(c): {"retrieved_count": 5 * c, "caption_count": 50 * c or None} for c in range(size)}
        (folder / f"{name}.json").write_text(json.dumps(rows))


def test_the_command_writes_a_page_and_a_table(tmp_path, capsys):
    write(tmp_path)
    assert tail_rule.main(["--lists", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "README.md").read_text()
    # w = 1: rounds of 1, 2, 2, ... classes, and in the last the third class is reached: 1 of 4 is still single
    assert "\n| 1 | 1-3; 100%; 1 |" in page
    rows = [line.split(",") for line in (tmp_path / "out" / "tail-rule.csv").read_text().splitlines()[3:]]
    assert len(rows) == 5 * 2 * 5 * 6
    assert rows[0] == ["semi_aves", "4", "published", "1", "1", "1", "1.0000", "3"]
    assert str(tmp_path) not in page


@pytest.mark.parametrize("given", [[], ["--lists", "nowhere"]])
def test_without_lists_it_says_what_is_missing(given, monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("TAILFIRST_SHARED_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert tail_rule.main(given) == 2
    said = capsys.readouterr().err
    assert said.startswith("tail_rule: ")
    assert "--lists" in said
    assert not (tmp_path / "docs").exists()
