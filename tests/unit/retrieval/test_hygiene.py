import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.config import Retrieval
from tailfirst.embedding.keys import Keys, words
from tailfirst.items import sha256_text
from tailfirst.retrieval.corpus import TRAITS
from tailfirst.retrieval.hygiene import Claims, Dropped, closest, one_class, one_of_equals, screen


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def traits(*rows):
    """Rows of (caption, sha256, licence, nsfw)."""
    caption, shas, licence, nsfw = zip(*rows, strict=True)
    ids = [f"o{k}" for k in range(len(rows))]
    columns = [ids, list(caption), list(shas), list(licence), pa.array(nsfw, pa.float32()), ["s"] * len(rows)]
    return pa.table(dict(zip(TRAITS, columns, strict=True)))


def test_every_rule_drops_its_rows_and_counts_them_once():
    table = traits(
        ("fine", sha("a"), "cc0", 0.1),
        ("nsfw wins over licence", sha("b"), "secret", 0.9),
        ("licence", sha("c"), "secret", 0.0),
        ("no licence", sha("d"), None, None),
        ("item", sha("item"), "CC0 ", None),
        ("unknown score and sha", None, "cc0", None),
    )
    dropped = Dropped()
    rules = Retrieval(licences=("cc0",), max_nsfw=0.5)
    keep = screen(table, rules, Keys.of(words([sha("item")])), is_text=False, dropped=dropped)
    assert keep.tolist() == [True, False, False, False, False, True]
    assert dict(dropped.counts) == {"nsfw": 1, "licence": 2, "item": 1}


def test_without_a_list_every_licence_is_fine():
    dropped = Dropped()
    keep = screen(traits(("x", None, None, None)), Retrieval(), Keys.of(words([])), is_text=False, dropped=dropped)
    assert keep.tolist() == [True]
    assert not dropped.counts


def test_in_a_text_task_the_caption_itself_is_the_content():
    items = Keys.of(words([sha256_text("my card is lost")]))
    table = traits((" my card is lost ", None, None, None), ("my card is found", None, None, None))
    assert screen(table, Retrieval(), items, is_text=True, dropped=Dropped()).tolist() == [False, True]


def test_a_row_goes_to_its_best_class_unless_two_nearly_tie():
    claims = Claims(
        rows=np.array([0, 1, 1, 2, 2, 2, 3, 3]),
        classes=np.array([4, 0, 1, 0, 1, 2, 0, 1]),
        scores=np.array([0.1, 0.5, 0.9, 0.700, 0.701, 0.2, 0.5, 0.5]),
    )
    assert one_class(claims, 4, near_tie=0.005).tolist() == [0, 2, -1, -1]
    assert one_class(claims, 4, near_tie=0.0).tolist() == [0, 2, 4, -1]


def test_rows_with_the_same_bytes_are_one_item():
    keys = ["a", "b", "a", None, "c", "c", "d", "d", None]
    classes = np.array([0, 0, 0, 0, 0, 1, 0, 1, 1])
    scores = np.array([0.3, 0.5, 0.4, 0.1, 0.9, 0.2, 0.500, 0.501, 0.1])
    dropped = Dropped()
    kept = one_of_equals(keys, classes, scores, 0.005, dropped)
    assert kept.tolist() == [1, 2, 3, 4, 8]  # of a the better row; c keeps its clear class; d ties between two
    assert dict(dropped.counts) == {"duplicate": 2, "near_tie": 2}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 100)), min_size=1, max_size=40))
def test_no_key_is_left_twice_and_every_row_is_accounted_for(rows):
    keys = [str(key) for key, _, _ in rows]
    classes, scores = np.array([c for _, c, _ in rows]), np.array([s / 100 for _, _, s in rows])
    dropped = Dropped()
    kept = one_of_equals(keys, classes, scores, 0.005, dropped).tolist()
    assert len({keys[row] for row in kept}) == len(kept)
    assert len(kept) + sum(dropped.counts.values()) == len(rows)


def test_the_closest_item_is_found_over_all_blocks():
    vectors = np.eye(3, dtype=np.float32)
    blocks = [np.array([[1, 0, 0], [0, 0.6, 0.8]], np.float32), np.array([[0, 1, 0]], np.float32)]
    np.testing.assert_allclose(closest(vectors, iter(blocks)), [1, 1, 0.8], atol=1e-6)
    assert closest(vectors, iter(())).tolist() == [-1, -1, -1]
