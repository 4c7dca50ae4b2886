"""Grid files: the arms they mean, and what is said to a mistake."""

import pytest

from tailfirst import plugins
from tailfirst.backtesting.arms import arms_of, control_of, reference_of
from tailfirst.backtesting.grid import load
from tailfirst.errors import ConfigError
from tests.support import grids

CONTROLS = [name for name in ("random", "stratified_random") if name in plugins.names("acquisition")]


def names(tmp_path, **changes):
    return [arm.name for arm in arms_of(load(grids.write(tmp_path, **changes)))]


def test_the_product_and_its_random_controls(tmp_path):
    found = names(tmp_path, retrieval=[True, False])
    assert found == [
        "tail_first/linear_probe/open",
        "margin/linear_probe/open",
        "tail_first/linear_probe/closed",
        "margin/linear_probe/closed",
        *(f"{control}/linear_probe/open" for control in CONTROLS),
        *(f"{control}/linear_probe/closed" for control in CONTROLS),
    ]


def test_a_random_arm_that_is_named_is_not_added_again(tmp_path):
    found = names(tmp_path, strategies={"dice": {"plugin": "random"}, "margin": {"plugin": "margin"}})
    assert [n for n in found if n.startswith(("dice", "random"))] == ["dice/linear_probe/open"]


def test_a_label_that_a_control_would_take_stays_its_owners(tmp_path):
    found = names(tmp_path, strategies={"random": {"plugin": "margin"}})
    assert found[:2] == ["random/linear_probe/open", "random-control/linear_probe/open"]


def test_explicit_arms_replace_the_product(tmp_path):
    arms = [{"strategy": "margin", "adaptation": "linear_probe", "retrieval": False}]
    assert names(tmp_path, arms=arms)[0] == "margin/linear_probe/closed"
    assert len(names(tmp_path, arms=arms)) == 1 + len(CONTROLS)


def test_profiles_stand_beside_the_product_and_name_the_arm_they_are(tmp_path):
    profiles = {
        "house": {"strategy": "tail_first", "adaptation": "linear_probe"},
        "paper": {"strategy": {"plugin": "entropy"}, "adaptation": {"plugin": "zero_shot"}},
    }
    arms = arms_of(load(grids.write(tmp_path, profiles=profiles)))
    by_name = {arm.name: arm for arm in arms}
    assert by_name["tail_first/linear_probe/open"].profile == "house"
    assert by_name["paper/paper/open"].acquisition.plugin == "entropy"
    assert by_name["random/paper/open"].adapting.plugin == "zero_shot"
    assert control_of(by_name["paper/paper/open"], arms) is by_name["random/paper/open"]


def test_the_reference_is_an_arm_or_a_profile(tmp_path):
    profiles = {"house": {"strategy": "margin", "adaptation": "linear_probe"}}
    grid = load(grids.write(tmp_path, profiles=profiles, reference="house"))
    assert reference_of(grid, arms_of(grid)).name == "margin/linear_probe/open"
    grid = load(grids.write(tmp_path))
    assert reference_of(grid, arms_of(grid)).name == "tail_first/linear_probe/open"


def test_seeds_are_a_number_or_a_list(tmp_path):
    assert load(grids.write(tmp_path, seeds=3)).seeds == (0, 1, 2)
    assert load(grids.write(tmp_path, seeds=[7, 3])).seeds == (7, 3)


PAIR = {"strategy": "margin", "adaptation": "linear_probe"}
BAD = {
    "unknown key": ({"roundz": 3}, "no key roundz; known keys here: name, tasks, strategies"),
    "unknown key inside": ({"start": {"rule": "random", "label": 3}}, r"start\.label; known keys here: rule, labels"),
    "unknown key deep inside": (
        {"tasks": {"a": {"builder": "demo", "long_tail": {"imbalance": 5, "law": "zipf"}}}},
        r"tasks\.a\.long_tail\.law; known keys here: imbalance, captions, seed",
    ),
    "unknown strategy": ({"strategies": {"a": {"plugin": "margn"}}}, "no 'margn'; known: .*margin"),
    "unknown option": ({"strategies": {"a": {"plugin": "tail_first", "w": 1}}}, r"w: .*known keys of .*tail_first"),
    "unknown adaptation": ({"adaptations": {"a": {"plugin": "probe"}}}, "no 'probe'; known: .*linear_probe"),
    "unknown cold start": ({"cold_start": "warm"}, "no 'warm'; known: .*kmeans"),
    "unknown builder": ({"tasks": {"a": {"builder": "imagenet"}}}, "'demo', 'banking77' or 'caltech101'"),
    "task twice": ({"tasks": {"a": {"builder": "demo", "folder": "x"}}}, "either `folder: PATH` or `builder: NAME`"),
    "no task": ({"tasks": {}}, "tasks: .*at least 1"),
    "no name": ({"name": None}, "name is missing"),
    "a name with spaces": ({"name": "my grid"}, "name: .*pattern"),
    "a label with capitals": ({"strategies": {"TFS": {"plugin": "margin"}}}, "not TFS"),
    "no seed": ({"seeds": []}, "at least one"),
    "a seed twice": ({"seeds": [1, 1]}, "each once"),
    "budget 0": ({"budget": 0}, "budget: at least 1"),
    "budget by another word": ({"budget": "all"}, "budget"),
    "rounds 0": ({"rounds": 0}, "rounds: .*greater than or equal to 1"),
    "more than the pool": ({"pool_share": 1.5}, "pool_share: .*less than or equal to 1"),
    "labels without a rule": ({"start": {"labels": 5}}, "`labels` goes with the rules"),
    "a rule without labels": ({"start": {"rule": "per_class"}}, "`labels` goes with the rules"),
    "unknown metric": ({"targets": {"f1": 0.5}}, "no metric f1; known: accuracy"),
    "no retrieval": ({"retrieval": []}, r"retrieval: \[true\]"),
    "no arm": ({"strategies": None}, "has no arm"),
    "an arm of nothing": ({"arms": [{"strategy": "x", "adaptation": "linear_probe"}]}, "strategies has no 'x'; known:"),
    "an arm twice": ({"arms": [PAIR, PAIR]}, "margin/linear_probe/open stands there twice"),
    "a reference that is no arm": ({"reference": "best"}, "'best' is no arm; known: tail_first/linear_probe/open"),
    "a profile with a label's name": (
        {"profiles": {"margin": {"strategy": {"plugin": "entropy"}, "adaptation": "linear_probe"}}},
        "the profile margin has the name",
    ),
}


@pytest.mark.parametrize(("changes", "said"), BAD.values(), ids=BAD)
def test_a_mistake_is_named_with_what_there_is(tmp_path, changes, said):
    path = grids.write(tmp_path, **changes)
    with pytest.raises(ConfigError, match=said) as found:
        checked(path)
    assert "\n" not in str(found.value)


def checked(path):
    grid = load(path)
    return reference_of(grid, arms_of(grid))


def test_a_grid_that_is_no_mapping(tmp_path):
    path = tmp_path / "grid.yaml"
    for text, said in (
        ("- 1\n", "must be a mapping; found list"),
        ("", "found nothing"),
        ("a: [", "not readable YAML"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=said):
            load(path)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")
