import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from tailfirst.embedding.cache import LEVELS, VectorCache
from tailfirst.embedding.keys import Keys, words
from tailfirst.errors import StaleArtifact, TailfirstError, TaskFolderError
from tailfirst.paths import Workspace


def shas(*names: object) -> list[str]:
    return [hashlib.sha256(str(name).encode()).hexdigest() for name in names]


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)


def test_what_was_added_is_found_again_in_another_process(tmp_path):
    first = VectorCache(tmp_path, 4)
    stored = vectors(5)
    first.add("image", shas(*range(5)), stored)
    second = VectorCache(tmp_path, 4)
    np.testing.assert_array_equal(second.get("image", shas(3, 0, 3)), stored[[3, 0, 3]].astype(np.float16))
    assert second.missing("image", shas(4, 5, 1, 6)).tolist() == [1, 3]
    assert second.has("image", shas(4, 5)).tolist() == [True, False]


def test_equal_contents_are_missing_once(tmp_path):
    assert VectorCache(tmp_path, 4).missing("image", shas("a", "b", "a", "b", "c")).tolist() == [0, 1, 4]


def test_a_text_and_an_image_of_the_same_bytes_differ(tmp_path):
    cache = VectorCache(tmp_path, 4)
    cache.add("image", shas("x"), vectors(1, 1))
    assert cache.missing("text", shas("x")).tolist() == [0]
    cache.add("text", shas("x"), vectors(1, 2))
    for opened in (cache, VectorCache(tmp_path, 4)):
        np.testing.assert_array_equal(opened.get("image", shas("x")), vectors(1, 1).astype(np.float16))
        np.testing.assert_array_equal(opened.get("text", shas("x")), vectors(1, 2).astype(np.float16))


def test_many_small_segments_are_all_found(tmp_path):
    cache = VectorCache(tmp_path, 4)
    stored = vectors(3 * LEVELS)
    for row in range(len(stored)):
        cache.add("image", shas(row), stored[row : row + 1])
    order = np.random.default_rng(2).permutation(len(stored))
    for opened in (cache, VectorCache(tmp_path, 4)):
        np.testing.assert_array_equal(opened.get("image", shas(*order)), stored[order].astype(np.float16))


def test_half_a_segment_counts_as_nothing(tmp_path):
    """What a kill leaves behind: a matrix without its ids, or files that do not fit together."""
    cache = VectorCache(tmp_path, 4)
    cache.add("image", shas("kept"), vectors(1))
    cache.add("image", shas("lost"), vectors(1, 1))
    cache.add("image", shas("cut", "short"), vectors(2, 2))
    opened = VectorCache(tmp_path, 4)
    opened.missing("image", shas("kept"))
    matrices = {path.stem: path for path in tmp_path.glob("*.npy")}
    for stem, matrix in matrices.items():
        rows = np.load(matrix)
        if len(rows) == 2:
            matrix.write_bytes(matrix.read_bytes()[:100])
        elif (rows == vectors(1, 1).astype(np.float16)).all():
            (tmp_path / f"{stem}.parquet").unlink()
    assert VectorCache(tmp_path, 4).missing("image", shas("kept", "lost", "cut", "short")).tolist() == [1, 2, 3]


def test_a_vector_that_is_not_stored_is_an_error(tmp_path):
    with pytest.raises(StaleArtifact, match="run the stage again"):
        VectorCache(tmp_path, 4).get("image", shas("a"))


def test_vectors_that_are_not_finite_are_never_stored(tmp_path):
    bad = vectors(2)
    bad[1, 2] = np.inf
    with pytest.raises(TailfirstError, match=shas("b")[0]):
        VectorCache(tmp_path, 4).add("image", shas("a", "b"), bad)
    assert list(tmp_path.iterdir()) == []


def test_encoders_do_not_share_vectors(tmp_path):
    ws = Workspace(tmp_path)
    one, two = (SimpleNamespace(fingerprint=f * 64, dim=4) for f in "ab")
    VectorCache.of(ws, one).add("image", shas("a"), vectors(1))
    assert VectorCache.of(ws, two).missing("image", shas("a")).tolist() == [0]
    assert sorted(p.name for p in (ws.cache / "embeddings").iterdir()) == ["a" * 16]


@pytest.mark.parametrize("bad", ["abc", "zz" * 32, ""])
def test_what_is_no_sha256_is_refused(bad):
    with pytest.raises(TaskFolderError, match="sha256"):
        words([*shas(1), bad])


def test_keys_find_their_places_whatever_their_order():
    keys = words(shas(*range(1000)))
    order = np.random.default_rng(0).permutation(1000)
    found = Keys.of(keys[order], start=7).find(keys)
    np.testing.assert_array_equal(order[found - 7], np.arange(1000))
    assert Keys.of(keys[:500]).find(keys[500:]).max() == -1
