import hashlib

import numpy as np
import pytest

from tailfirst.contracts import Media
from tailfirst.embedding import Batch, VectorCache, embed, embed_batches, embed_texts
from tailfirst.embedding.cache import SEGMENT_ROWS
from tailfirst.errors import TaskFolderError
from tailfirst.vectors import unit
from tests.support.fake_encoder import FakeEncoder
from tests.support.pictures import picture


class World:
    """Items whose bytes are their number."""

    def __init__(self, count: int) -> None:
        self.data = [f"bytes of {k}".encode() for k in range(count)]
        self.ids = [f"i{k}" for k in range(count)]
        self.shas = [hashlib.sha256(one).hexdigest() for one in self.data]
        self.read: list[int] = []

    def media_of(self, rows):
        self.read.extend(rows.tolist())
        return [Media(self.ids[row], data=self.data[row]) for row in rows]

    def embed(self, encoder, cache, **options):
        return embed(encoder, self.ids, self.shas, self.media_of, cache, **options)


def test_a_second_run_embeds_and_reads_nothing(tmp_path):
    world, encoder = World(700), FakeEncoder()
    assert world.embed(encoder, VectorCache(tmp_path, 8), chunk=64) == 700
    world.read.clear()
    again = FakeEncoder()
    assert world.embed(again, VectorCache(tmp_path, 8)) == 0
    assert (world.read, again.seen_items) == ([], [])


def test_a_hundred_new_items_embed_exactly_a_hundred(tmp_path):
    World(500).embed(FakeEncoder(), VectorCache(tmp_path, 8))
    encoder = FakeEncoder()
    assert World(600).embed(encoder, VectorCache(tmp_path, 8)) == 100
    assert encoder.seen_items == [f"i{k}" for k in range(500, 600)]


def test_vectors_are_those_of_the_encoder_rounded_to_half_precision(tmp_path):
    world, cache = World(50), VectorCache(tmp_path, 8)
    world.embed(FakeEncoder(), cache, chunk=7)
    expected = FakeEncoder().items([Media("x", data=one) for one in world.data])
    np.testing.assert_array_equal(cache.get("image", world.shas), expected.astype(np.float16))


def test_an_interruption_loses_at_most_a_segment(tmp_path):
    world = World(3 * SEGMENT_ROWS)
    with pytest.raises(KeyboardInterrupt):
        world.embed(FakeEncoder(fail_after=2 * SEGMENT_ROWS + 1000), VectorCache(tmp_path, 8))
    encoder = FakeEncoder()
    world.embed(encoder, VectorCache(tmp_path, 8))
    assert len(encoder.seen_items) == SEGMENT_ROWS


def test_only_two_chunks_are_in_memory(tmp_path):
    """The reader is never more than one chunk ahead of the encoder."""
    world, encoder = World(400), FakeEncoder()
    ahead = []

    def media_of(rows):
        ahead.append(len(world.read) + len(rows) - len(encoder.seen_items))
        return world.media_of(rows)

    embed(encoder, world.ids, world.shas, media_of, VectorCache(tmp_path, 8), chunk=20)
    assert max(ahead) <= 60


def test_a_corrupt_image_names_its_item(tmp_path):
    world = World(3)
    world.data[:2] = [picture(0), picture(1)]
    with pytest.raises(TaskFolderError, match="item i2"):
        world.embed(FakeEncoder(decode=True), VectorCache(tmp_path, 8))


def test_where_it_is_tolerated_only_the_corrupt_image_is_left_out(tmp_path):
    data = [picture(0), b"nonsense", picture(2)]
    shas = [hashlib.sha256(one).hexdigest() for one in data]
    cache = VectorCache(tmp_path, 8)
    batch = Batch(shas, [Media(str(k), data=one) for k, one in enumerate(data)], 3)
    assert embed_batches(FakeEncoder(decode=True), [batch], cache, 3, tolerant=True) == 2
    assert cache.has("image", shas).tolist() == [True, False, True]


def test_an_error_of_the_reader_comes_through(tmp_path):
    def refuse(rows):
        raise TaskFolderError("shard is gone")

    world = World(3)
    with pytest.raises(TaskFolderError, match="shard is gone"):
        embed(FakeEncoder(), world.ids, world.shas, refuse, VectorCache(tmp_path, 8))


def test_texts_pass_the_encoder_once(tmp_path):
    encoder = FakeEncoder()
    texts = ["a cat", "a dog", "a cat", "  a cat "]
    found = embed_texts(encoder, texts, VectorCache(tmp_path, 8))
    assert encoder.seen_texts == ["a cat", "a dog"]
    np.testing.assert_array_equal(found[0], found[3])
    np.testing.assert_allclose(found, unit(FakeEncoder().texts(["a cat", "a dog", "a cat", "a cat"])), atol=1e-3)
    embed_texts(encoder, ["a dog"], VectorCache(tmp_path, 8))
    assert encoder.seen_texts == ["a cat", "a dog"]
