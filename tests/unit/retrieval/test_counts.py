"""ALOR acceptance checks (2) and (4), on hand-made captions."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.retrieval.counts import Counts, Lexicon, mentions, most_common_names
from tailfirst.retrieval.match import Matcher
from tailfirst.retrieval.names import class_names
from tailfirst.retrieval.normalise import normalise
from tailfirst.task import ClassDef, Task


def task(*classes):
    return Task("t", "image", "1", tuple(ClassDef(*c) for c in classes), ("a photo of a {}.",))


def count(lexicon, captions, parts=1):
    counts, matcher = Counts.none(lexicon), Matcher(lexicon.phrases)
    for part in np.array_split(np.array(captions, object), parts):
        counts = counts.plus(lexicon, mentions(lexicon, matcher.find(pa.array(part.tolist(), pa.string()))))
    return counts


ZOO = task(
    ("bear", "polar bear", ("white bear", "bear", "ice bear")),
    ("truck", "fire truck", ("fire engine", "Fire-Truck")),
    ("tuna", "bluefin tuna", ("tuna",)),
    ("none", "unseen thing", ()),
)
CAPTIONS = [
    "a polar bear",
    "a white bear and another white bear",
    "Ice bear, polar bear",
    "a bear",
    "a bear eats",
    "a fire engine",
    "fire_engine or fire truck",
    "fire engine",
    "tuna salad",
    "an umbrella",
]


def test_a_caption_counts_once_per_class_and_once_per_name():
    counts = count(Lexicon.of(ZOO), CAPTIONS)
    assert counts.freq.tolist() == [5, 3, 1, 0]
    by_name = dict(zip(Lexicon.of(ZOO).names, counts.captions.tolist(), strict=True))
    assert by_name == {
        "polar bear": 2,
        "white bear": 1,
        "bear": 5,
        "ice bear": 1,
        "fire truck": 1,
        "fire engine": 3,
        "bluefin tuna": 0,
        "tuna": 1,
        "unseen thing": 0,
    }


def test_the_most_common_name_is_never_only_a_part_of_the_official_name():
    """`bear` is the most frequent, but its words are some of those of `polar bear`; `tuna` likewise."""
    lexicon = Lexicon.of(ZOO)
    found = most_common_names(lexicon, count(lexicon, CAPTIONS).captions)
    assert found == ("polar bear", "fire engine", "bluefin tuna", "unseen thing")


def test_ties_go_to_the_official_name_then_to_the_order():
    lexicon = Lexicon.of(task(("a", "aa", ("bb", "cc")), ("b", "dd", ())))
    assert most_common_names(lexicon, [2, 2, 2, 0])[0] == "aa"
    assert most_common_names(lexicon, [1, 2, 2, 0])[0] == "bb"


def test_a_name_that_two_classes_share_counts_for_both():
    lexicon = Lexicon.of(task(("a", "jaguar cat", ("jaguar",)), ("b", "jaguar car", ("jaguar",))))
    assert len(lexicon.phrases) == 3
    assert count(lexicon, ["a jaguar", "a jaguar car", "x"]).freq.tolist() == [2, 2]


@given(st.integers(1, 6), st.permutations(CAPTIONS))
def test_counts_depend_neither_on_order_nor_on_parts(parts, captions):
    lexicon = Lexicon.of(ZOO)
    whole, split = count(lexicon, CAPTIONS), count(lexicon, captions, parts)
    assert whole.freq.tolist() == split.freq.tolist()
    assert whole.captions.tolist() == split.captions.tolist()


words = st.lists(st.sampled_from(["red", "fox", "ice", "cream", "big"]), min_size=1, max_size=3).map(" ".join)


@given(words, st.lists(words, max_size=4), st.lists(st.integers(0, 9), min_size=5, max_size=5))
def test_no_choice_is_a_strict_part_of_the_official_name(official, synonyms, captions):
    lexicon = Lexicon.of(task(("a", official, tuple(synonyms)), ("b", "other", ())))
    chosen = most_common_names(lexicon, [*captions, 0, 0][: len(lexicon.names)])[0]
    assert not set(normalise(chosen).split()) < set(normalise(official).split())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("official", ("polar bear",)),
        ("most_common", ("ice bear",)),
        ("all_synonyms", ("polar bear", "white bear", "bear", "ice bear")),
    ],
)
def test_names_of_prompts(names, expected):
    assert class_names(ZOO, names, {"bear": "ice bear"})[0] == expected
    assert class_names(ZOO, "most_common", {})[3] == ("unseen thing",)
