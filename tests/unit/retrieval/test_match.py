import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailfirst.retrieval.match import Matcher
from tailfirst.retrieval.normalise import contains, normalise

SYLLABLES = ("ba", "ri", "co", "ten", "lu", "mas", "o", "st", "el", "qu")


def found(captions, phrases):
    hits = Matcher(phrases).find(pa.array(captions, pa.large_string()))
    pairs = list(zip(hits.captions.tolist(), hits.phrases.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    return pairs


def expected(captions, phrases):
    clean = [normalise(caption) for caption in captions]
    return [
        (row, k)
        for row, caption in enumerate(clean)
        for k, p in enumerate(phrases)
        if p in caption and contains(caption, p)
    ]


def test_hand_made():
    phrases = ["car", "fire truck", "truck", "bear", "polar bear", "st. bernard", "c++"]
    captions = [
        "A scar.",  # no car
        'the "car"',
        "Fire-Truck and a TRUCK",
        "a polar  bear",
        "a St. Bernard",
        "polarbear",
        "learn C++!",
        "",
    ]
    assert found(captions, phrases) == [(1, 0), (2, 1), (2, 2), (3, 3), (3, 4), (4, 5), (6, 6)]


def test_a_name_never_reaches_over_two_captions():
    assert found(["an ice", "cream", "ice cre", "am"], ["ice cream", "ice", "am"]) == [(0, 1), (2, 1), (3, 2)]


def test_it_equals_the_plain_definition_on_twenty_thousand_captions():
    rng = np.random.default_rng(7)
    vocabulary = ["".join(rng.choice(SYLLABLES, rng.integers(1, 6))) for _ in range(600)]
    vocabulary += [
        "café",
        "ÉTÉ",
        "naïve",
        "東京",
        "it's",
        "don`t",
        "x",
        "st.",
        "c++",
        "-",
        "_",
        "–",
        "  ",
        "☀",
        "ﬁn",
        "'",
    ]
    weights = 1 / np.arange(1, len(vocabulary) + 1) ** 0.7
    shuffled = np.array(vocabulary, object)[rng.permutation(len(vocabulary))]
    joiners = np.array([" ", "  ", "-", "_", ", ", ". ", "", "/"], object)

    def texts(count, longest):
        lengths = rng.integers(0, longest, count)
        words = shuffled[rng.choice(len(shuffled), lengths.sum(), p=weights / weights.sum())]
        between = joiners[rng.choice(8, lengths.sum(), p=[0.82, 0.03, 0.03, 0.03, 0.03, 0.02, 0.02, 0.02])]
        return ["".join(part) for part in np.split(words + between, np.cumsum(lengths)[:-1])]

    captions = texts(20_000, 9)
    phrases = sorted({normalise(text) for text in texts(250, 4)})
    truth = expected(captions, phrases)
    assert len(truth) > 3000
    assert found(captions, phrases) == truth


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(alphabet="ab é-'\" .+_ß\n", max_size=24), max_size=8),
    st.lists(st.text(alphabet="ab é.+", min_size=1, max_size=20), min_size=1, max_size=6),
)
def test_it_equals_the_plain_definition_on_anything(captions, phrases):
    phrases = list(dict.fromkeys(normalise(phrase) for phrase in phrases))
    assert found(captions, phrases) == expected(captions, phrases)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=6), st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4))
def test_it_equals_the_plain_definition_on_any_text(captions, phrases):
    phrases = list(dict.fromkeys(normalise(phrase) for phrase in phrases))
    captions = [*captions, *(f"x {phrase} y" for phrase in phrases), *phrases]
    assert found(captions, phrases) == expected(captions, phrases)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 24, 40])
def test_names_of_every_length_are_found_at_both_ends(length):
    phrase = ("abcdefghij klmnopq rstuvwxyz 0123456789 abcdef")[:length].strip()
    captions = [phrase, f"{phrase} z", f"z {phrase}", f"z{phrase}", f"{phrase}z", phrase[:-1] + "~"]
    assert found(captions, [phrase]) == [(0, 0), (1, 0), (2, 0)]


def test_a_slice_of_an_array_is_read_from_its_own_start():
    array = pa.array(["car", "bus", "a car", "tram"], pa.large_string())
    hits = Matcher(["car"]).find(array.slice(1, 3))
    assert hits.captions.tolist() == [1]


@pytest.mark.parametrize("captions", [[], [""], ["", ""]])
def test_nothing_is_found_in_nothing(captions):
    assert found(captions, ["car"]) == []
    assert found(["a car"], []) == []
    assert found(["a car"], ["+", ""]) == []
