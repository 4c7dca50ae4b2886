"""Byte-pair merges by hand, and a tokenizer that is the same on every run."""

from collections import Counter

from tailfirst.demo import vlm
from tailfirst.demo.merges import learn_merges


def test_merges_by_hand():
    """aab x 3, ab x 2: (a, b</w>) occurs 5 times and wins, then (a, ab</w>) 3 times."""
    learned = learn_merges(Counter({"aab": 3, "ab": 2}), "ab", ["<s>", "<e>"], 20)
    assert learned.pairs == (("a", "b</w>"), ("a", "ab</w>"))
    assert list(learned.vocabulary) == ["<s>", "<e>", "a", "b", "a</w>", "b</w>", "ab</w>", "aab</w>"]
    assert learned.merges_text() == "#version: 0.2\na b</w>\na ab</w>\n"


def test_ties_go_to_the_smaller_pair_and_single_occurrences_are_not_merged():
    learned = learn_merges(Counter({"cd": 2, "ab": 2, "xy": 1}), "abcdxy", [], 99)
    assert learned.pairs == (("a", "b</w>"), ("c", "d</w>"))


def test_the_size_is_a_limit():
    assert len(learn_merges(Counter({"abcabc": 9}), "abc", ["<s>"], 8).vocabulary) == 8


def test_any_text_can_be_written(tmp_path):
    tokenizer = vlm.build_tokenizer(["a red house", "a red tree", "a house"], tmp_path)
    for text in ("a house", "zürich 你好", "#1!?"):
        ids = tokenizer(text)["input_ids"]
        assert ids.count(tokenizer.eos_token_id) == 1
        assert "".join(tokenizer.decode(ids, skip_special_tokens=True).split()) == "".join(text.split())


def test_two_tokenizers_of_the_same_captions_are_equal(tmp_path):
    captions = [f"a {word} thing number {k}" for k, word in enumerate(("red", "green", "blue") * 5)]
    for name in ("one", "two"):
        vlm.build_tokenizer(captions, tmp_path / name)
    for file in ("vocab.json", "merges.txt"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
