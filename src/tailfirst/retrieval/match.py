"""Which captions name which phrases: exact, over whole blocks of captions at once.

Captions stay one block of bytes. Every token start is a candidate; three bytes of it index a table that drops most of
them, hashes of up to eight and up to sixteen bytes drop nearly all others, and what is left is compared byte by byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tailfirst.contracts import Ints
from tailfirst.retrieval.normalise import ASCII_QUOTES, ASCII_SPACES, WORD_BYTES, normalise

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Flags = NDArray[np.bool_]
PAD = 16  # bytes after a block, so that eight bytes can be read anywhere
HASH_BITS = 18
KEY_BYTES = 16  # of the text from a phrase's first token on
MIX, MIX_HIGH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_LOWER = bytes(32 if b in ASCII_SPACES else ord(chr(b).lower()) if b < 128 else b for b in range(256))
_IS_WORD = bytes(b in WORD_BYTES for b in range(256))
_MASKS = np.array([(1 << 8 * k) - 1 for k in range(8)] + [(1 << 64) - 1], np.uint64)  # the lowest k bytes


@dataclass(frozen=True, slots=True)
class Hits:
    """Which caption holds which phrase: distinct pairs, by caption, then phrase."""

    captions: Ints  # (H,)
    phrases: Ints  # (H,)


@dataclass(frozen=True, slots=True)
class _Block:
    """Normalised captions end to end; `text` has `PAD` bytes more than the last one ends at."""

    text: Bytes
    starts: Ints  # (R + 1,)


@dataclass(frozen=True, slots=True)
class _Keyed:
    """The phrases whose keys are made of the same number of bytes."""

    length: int  # 1 to KEY_BYTES
    keys: Words  # distinct, ascending
    first: Ints  # (K + 1,) where each key's phrases begin in `phrases`
    phrases: Ints
    filter: Flags  # (2 ** HASH_BITS,)


class Matcher:
    """Finds phrases in captions.

    Args:
        phrases: Normalised; one without a letter or digit is never found.
    """

    def __init__(self, phrases: Sequence[str]) -> None:
        encoded = [phrase.encode() for phrase in phrases]
        self._lengths = np.array([len(one) for one in encoded], np.int64)
        self._leads = np.array([_lead(one) for one in encoded], np.int64)  # bytes before the first token
        self._words, self._masks = _word_rows(encoded)
        usable = np.flatnonzero(self._leads >= 0)
        self._groups = tuple(_groups(encoded, self._leads, usable))
        self._long = np.zeros(1 << HASH_BITS, np.bool_)  # hashes of the first eight bytes of phrases that have more
        for group in (group for group in self._groups if group.length > 8):
            starts = [encoded[row][self._leads[row] :][:8] for row in group.phrases.tolist()]
            self._long[_hash(np.array([int.from_bytes(one, "little") for one in starts], np.uint64))] = True
        self._openings = _openings([encoded[row][self._leads[row] :] for row in usable.tolist()])

    def find(self, captions: pa.LargeStringArray) -> Hits:
        """The phrases in each caption; captions without nulls, not normalised."""
        block, special = _ascii_block(captions)
        rows, phrases = self._scan(block)
        if len(special):
            keep = ~np.isin(rows, special)
            texts = captions.take(pa.array(special)).to_pylist()
            more, found = self._scan(_block([normalise(text) for text in texts]))
            rows, phrases = np.concatenate([rows[keep], special[more]]), np.concatenate([phrases[keep], found])
        pairs = np.unique(rows * max(len(self._lengths), 1) + phrases)
        return Hits(*np.divmod(pairs, max(len(self._lengths), 1)))

    def _scan(self, block: _Block) -> tuple[Ints, Ints]:
        empty = np.empty(0, np.int64)
        if not self._groups or len(block.text) == PAD:
            return empty, empty
        word: Flags = np.frombuffer(block.text.tobytes().translate(_IS_WORD), np.bool_)
        eights: Words = np.ndarray((len(block.text) - 8,), "<u8", block.text, strides=(1,))  # eight bytes from anywhere
        at = _token_starts(word, block.starts)
        at = at[self._openings[eights[at] & _MASKS[3]]]
        low = eights[at]
        likely = np.flatnonzero(self._long[_hash(low)])
        long_at, long_low = at[likely], low[likely]
        high = eights[long_at + 8]
        pairs = [
            _candidates(group, at, low & _MASKS[group.length])
            if group.length <= 8
            else _candidates(group, long_at, _joined(long_low, high & _MASKS[group.length - 8]))
            for group in self._groups
        ]
        places = np.concatenate([one for one, _ in pairs])
        phrases = np.concatenate([one for _, one in pairs])
        rows, keep = self._verify(block, word, eights, places, phrases)
        return rows[keep], phrases[keep]

    def _verify(self, block: _Block, word: Flags, eights: Words, places: Ints, phrases: Ints) -> tuple[Ints, Flags]:
        """(P,) the caption of each candidate, and whether the phrase really stands there between two borders."""
        rows = np.searchsorted(block.starts, places, side="right") - 1
        begin = places - self._leads[phrases]
        end = begin + self._lengths[phrases]
        first, last = block.starts[rows], block.starts[rows + 1]
        good = (begin >= first) & (end <= last)
        good &= (end >= last) | ~word[np.minimum(end, len(word) - 1)]
        good &= (begin <= first) | ~word[np.maximum(begin - 1, 0)]
        for column in range(self._words.shape[1]):
            here = np.flatnonzero(good & (self._lengths[phrases] > 8 * column))
            if not len(here):
                break
            read = eights[begin[here] + 8 * column] & self._masks[phrases[here], column]
            good[here] = read == self._words[phrases[here], column]
        return rows, good


def _token_starts(word: Flags, starts: Ints) -> Ints:
    fresh = np.empty_like(word)
    fresh[:1] = word[:1]
    np.greater(word[1:], word[:-1], out=fresh[1:])
    heads = starts[:-1][starts[:-1] < starts[1:]]
    fresh[heads] = word[heads]
    return np.flatnonzero(fresh)


def _candidates(group: _Keyed, at: Ints, keys: Words) -> tuple[Ints, Ints]:
    """Places and phrases whose keys are equal."""
    likely = np.flatnonzero(group.filter[_hash(keys)])
    keys = keys[likely]
    spot = np.minimum(np.searchsorted(group.keys, keys), len(group.keys) - 1)
    equal = group.keys[spot] == keys
    likely, spot = likely[equal], spot[equal]
    counts = group.first[spot + 1] - group.first[spot]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(at[likely], counts), group.phrases[np.repeat(group.first[spot], counts) + within]


def _ascii_block(captions: pa.LargeStringArray) -> tuple[_Block, Ints]:
    """The normalised block, and the captions that hold other than ASCII: their text in the block is unusable."""
    _, offsets, values = captions.buffers()
    starts = np.frombuffer(offsets, np.int64)[captions.offset : captions.offset + len(captions) + 1]
    raw = memoryview(values)[starts[0] : starts[-1]] if values is not None else memoryview(b"")
    starts = starts - starts[0]
    bare = np.frombuffer(raw, np.uint8)
    special = np.empty(0, np.int64)
    if len(bare) and bare.max() > 127:
        special = np.unique(np.searchsorted(starts, np.flatnonzero(bare > 127), side="right") - 1)
    text, starts = _without(np.frombuffer(bytes(raw).translate(_LOWER), np.uint8), starts, quotes=True)
    text, starts = _without(text, starts, quotes=False)
    return _Block(np.concatenate([text, np.zeros(PAD, np.uint8)]), starts), special


def _without(text: Bytes, starts: Ints, quotes: bool) -> tuple[Bytes, Ints]:
    """The text without its quotes, or without each space that follows a space."""
    if quotes:
        gone = np.zeros(len(text), np.bool_)
        for sign in ASCII_QUOTES:
            gone |= text == sign
    else:
        space = text == 32
        gone = space.copy()
        gone[1:] &= space[:-1]
        gone[:1] = False
    places = np.flatnonzero(gone)
    if not len(places):
        return text, starts
    return text[~gone], starts - np.searchsorted(places, starts)


def _block(texts: Sequence[str]) -> _Block:
    encoded = [text.encode() for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in encoded])]).astype(np.int64)
    return _Block(np.frombuffer(b"".join(encoded) + bytes(PAD), np.uint8), starts)


def _lead(phrase: bytes) -> int:
    return next((place for place, byte in enumerate(phrase) if byte in WORD_BYTES), -1)


def _word_rows(phrases: Sequence[bytes]) -> tuple[Words, Words]:
    """(P, W) each phrase as little-endian words of eight bytes, and masks of the bytes that are its own."""
    width = max([1, *(-(-len(one) // 8) for one in phrases)])
    filled = b"".join(one.ljust(8 * width, b"\0") for one in phrases)
    own = b"".join((b"\xff" * len(one)).ljust(8 * width, b"\0") for one in phrases)
    shape = (len(phrases), width)
    return np.frombuffer(filled, "<u8").reshape(shape), np.frombuffer(own, "<u8").reshape(shape)


def _groups(encoded: Sequence[bytes], leads: Ints, usable: Ints) -> list[_Keyed]:
    keys: dict[int, dict[int, list[int]]] = {}
    for row in usable.tolist():
        anchored = encoded[row][leads[row] :][:KEY_BYTES]
        keys.setdefault(len(anchored), {}).setdefault(_key(anchored), []).append(row)
    return [_keyed(length, found) for length, found in sorted(keys.items())]


def _keyed(length: int, found: dict[int, list[int]]) -> _Keyed:
    ordered = sorted(found.items())
    keys = np.array([key for key, _ in ordered], np.uint64)
    table = np.zeros(1 << HASH_BITS, np.bool_)
    table[_hash(keys)] = True
    first = np.concatenate([[0], np.cumsum([len(rows) for _, rows in ordered])]).astype(np.int64)
    return _Keyed(length, keys, first, np.array([row for _, rows in ordered for row in rows], np.int64), table)


def _openings(anchored: Sequence[bytes]) -> Flags:
    """(2 ** 24,) whether a text may begin with these three bytes, the first one lowest."""
    table = np.zeros((256, 256, 256), np.bool_)  # third, second, first byte
    for one in anchored:
        place = tuple(one[k] if k < len(one) else slice(None) for k in (2, 1, 0))
        table[place] = True
    return table.reshape(-1)


def _key(anchored: bytes) -> int:
    low, high = (np.array([int.from_bytes(part, "little")], np.uint64) for part in (anchored[:8], anchored[8:]))
    return int((low if len(anchored) <= 8 else _joined(low, high))[0])


def _joined(low: Words, high: Words) -> Words:
    """One number for sixteen bytes; different bytes may share one, the comparison byte by byte tells them apart."""
    return (low * MIX) ^ (high * MIX_HIGH)


def _hash(keys: Words) -> Words:
    return (keys * MIX) >> np.uint64(64 - HASH_BITS)
