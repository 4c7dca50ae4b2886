import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailfirst.retrieval import sieve
from tailfirst.retrieval.match import Matcher
from tailfirst.retrieval.normalise import contains, normalise
from tailfirst.retrieval.sieve import Sieve

SYLLABLES = ("ba", "ri", "co", "ten", "lu", "mas", "o", "st", "el", "qu")


def found(captions, phrases):
    hits = Matcher(phrases).find(pa.array(captions, pa.string()))
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


ODD_WORDS = (
    "café", "CAFÉ", "cafe\u0301", "ÉTÉ", "naïve", "東京", "it's", "it’s", "‘quoted’", '"', "“tea”", "'", "’", "don`t",
    "x", "st.", "c++", "-", "_", "–", "—", "…", "  ", "\t", "\n", "\u00a0", "\u200b", "☀", "❤\ufe0f", "ﬁn", "ﬁsh",
    "ＡＢＣ", "１２", "½", "m²", "lego™", "®", "no=\u0338", "straße", "İzmir", "ΣΊΣΥΦΟΣ", "москва", "Москва", "한국",
    "\u1112\u1161\u11ab", "a\u0338b",
)  # fmt: skip
JOINERS = np.array([" ", "  ", "-", "_", " - ", ", ", ". ", "", "/", "’", "'", "–", "\u00a0", "®"], object)


def drawn_texts(rng, words, count, longest):
    """Texts of Zipf-distributed words and all sorts of signs between them; some are empty."""
    weights = 1 / np.arange(1, len(words) + 1) ** 0.7
    shares = np.array([0.78] + [0.22 / (len(JOINERS) - 1)] * (len(JOINERS) - 1))
    lengths = rng.integers(0, longest, count)
    chosen = words[rng.choice(len(words), lengths.sum(), p=weights / weights.sum())]
    between = JOINERS[rng.choice(len(JOINERS), lengths.sum(), p=shares)]
    return ["".join(part) for part in np.split(chosen + between, np.cumsum(lengths)[:-1])]


def test_it_equals_the_plain_definition_on_a_hundred_thousand_captions():
    """Other scripts, quotes, hyphens, underscores, names inside names, names at both ends, empty captions."""
    rng = np.random.default_rng(7)
    made = ["".join(rng.choice(SYLLABLES, rng.integers(1, 6))) for _ in range(600)]
    made = [word.upper() if rng.random() < 0.1 else word for word in made]
    words = np.array([*made, *ODD_WORDS], object)[rng.permutation(len(made) + len(ODD_WORDS))]
    captions = drawn_texts(rng, words, 100_000, 9)
    phrases = {normalise(text) for text in drawn_texts(rng, words, 70, 4)} | set(map(normalise, ODD_WORDS))
    phrases |= {phrase.split()[0] for phrase in sorted(phrases)[::3] if phrase}  # names that begin other names
    phrases = sorted(phrases)
    truth = expected(captions, phrases)
    assert len(truth) > 20_000
    assert len({k for _, k in truth}) > 50
    assert found(captions, phrases) == truth


def test_every_character_between_before_and_behind_names():
    """What a character does to a name beside it follows from the definition, for every character up to U+33FF."""
    phrases = ["cat", "dog", "cat dog", "catdog"]
    signs = [chr(code) for code in [*range(0x3400), *range(0xFB00, 0x10000), *range(0x1F300, 0x1F700)]]
    captions = [f"{a}cat{b}dog{c}" for s in signs for a, b, c in ((s, s, s), (" ", f" {s} ", " "), ("", f"{s}'", s))]
    assert found(captions, phrases) == expected(captions, phrases)


def test_few_captions_without_a_name_are_looked_at_closely():
    rng = np.random.default_rng(3)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, rng.integers(4, 9))) for _ in range(2_000)], object)
    captions = pa.array([" ".join(rng.choice(words, 10)) for _ in range(5_000)], pa.string())
    phrases = [" ".join(rng.choice(words, 2)) for _ in range(300)] + [str(word) for word in words[:50]]
    passed, hits = Sieve(phrases).rows(captions), Matcher(phrases).find(captions)
    assert set(hits.captions.tolist()) <= set(passed.tolist())
    assert len(passed) < 1.2 * len(np.unique(hits.captions))


def test_the_size_of_blocks_changes_nothing(monkeypatch):
    captions = drawn_texts(np.random.default_rng(1), np.array(["red", "fox", "ice", "a"], object), 300, 6)
    whole = found(captions, ["red fox", "ice", "fox red ice"])
    assert whole
    for size in (1, 30, 1000):
        monkeypatch.setattr(sieve, "BLOCK_BYTES", size)
        assert found(captions, ["red fox", "ice", "fox red ice"]) == whole


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(alphabet="ab éÉ-'\" .+_ß\n’“–™\u0301\u0338=", max_size=24), max_size=8),
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
    array = pa.array(["car", "bus", "a car", "tram"], pa.string())
    hits = Matcher(["car"]).find(array.slice(1, 3))
    assert hits.captions.tolist() == [1]


@pytest.mark.parametrize("captions", [[], [""], ["", ""]])
def test_nothing_is_found_in_nothing(captions):
    assert found(captions, ["car"]) == []
    assert found(["a car"], []) == []
    assert found(["a car"], ["+", ""]) == []
