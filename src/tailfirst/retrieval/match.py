"""Which captions name which phrases: exact, over whole blocks of captions at once.

A sieve lets few captions pass that hold no phrase. Those that pass are normalised into one block of bytes. Each phrase
is looked for at the places of its longest token, found by its first eight bytes, and compared byte by byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tailfirst.contracts import Ints
from tailfirst.retrieval.normalise import ASCII_QUOTES, ASCII_SPACES, normalise
from tailfirst.retrieval.sieve import Sieve
from tailfirst.retrieval.signs import FOLD, Bytes
from tailfirst.retrieval.tokens import (
    PAD,
    WHOLE,
    Bits,
    Words,
    anywhere,
    hashed,
    joined,
    numbers_of,
    offsets_of,
    padded,
    token_starts,
    wholes,
)

Flags = NDArray[np.bool_]
BETWEEN = "\0"  # stands between two captions and in no phrase
_LOWER = bytes(32 if b in ASCII_SPACES else ord(chr(b).lower()) if b < 128 else b for b in range(256))


@dataclass(frozen=True, slots=True)
class Hits:
    """Which caption holds which phrase: distinct pairs, by caption, then phrase."""

    captions: Ints  # (H,)
    phrases: Ints  # (H,)


class Matcher:
    """Finds phrases in captions.

    Args:
        phrases: Normalised, of printable characters; one without a letter or digit is never found.
    """

    def __init__(self, phrases: Sequence[str]) -> None:
        self._sieve = Sieve(phrases)
        encoded = [phrase.encode() for phrase in phrases]
        self._lengths = np.array([len(one) for one in encoded], np.int64)
        self._words, self._masks = _word_rows(encoded)
        anchors = [max(one.translate(FOLD).split(b"\0"), key=len) for one in encoded]
        self._leads = np.array([one.find(anchor) for one, anchor in zip(encoded, anchors, strict=True)], np.int64)
        usable = np.array([row for row, anchor in enumerate(anchors) if anchor], np.int64)
        numbers = numbers_of(anchors, WHOLE)[usable]
        order = np.argsort(numbers, kind="stable")
        self._phrases = usable[order]
        self._keys, self._first = np.unique(numbers[order], return_index=True)
        self._first = np.append(self._first, len(order))
        self._bits = Bits(hashed(self._keys))

    def find(self, captions: pa.StringArray) -> Hits:
        """The phrases in each caption; captions without nulls, not normalised."""
        passed = self._sieve.rows(captions)
        captions = captions.take(pa.array(passed))
        odd = _not_ascii(captions)
        rows, phrases = self._scan(captions)
        if len(odd):  # their bytes were not normalised by that
            is_odd = np.zeros(len(captions), np.bool_)
            is_odd[odd] = True
            keep = ~is_odd[rows]
            texts = [normalise(text) for text in captions.take(pa.array(odd)).to_pylist()]
            more, found = self._scan(pa.array(texts, pa.string()))
            rows, phrases = np.concatenate([rows[keep], odd[more]]), np.concatenate([phrases[keep], found])
        pairs = np.sort(passed[rows] * max(len(self._lengths), 1) + phrases)
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        return Hits(*np.divmod(pairs, max(len(self._lengths), 1)))

    def _scan(self, captions: pa.StringArray) -> tuple[Ints, Ints]:
        """Captions and phrases, pair by pair, maybe repeated; exact where the captions are ASCII or normalised."""
        text, starts = _normalised(captions)
        folded = padded(bytearray(text).translate(FOLD))
        at = token_starts(folded)
        likely, keys = self._of_keys(wholes(folded, at))
        counts = self._first[keys + 1] - self._first[keys]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        phrases = self._phrases[np.repeat(self._first[keys], counts) + within]
        begins = np.repeat(at[likely], counts) - self._leads[phrases]
        keep = np.flatnonzero(self._stands(text, folded, begins, phrases))
        return np.searchsorted(starts, begins[keep], side="right") - 1, phrases[keep]

    def _of_keys(self, numbers: Words) -> tuple[Ints, Ints]:
        """The rows of the tokens that some phrase is anchored at, and the row of each one's key."""
        rows = self._bits.among(hashed(numbers))
        keys = np.searchsorted(self._keys, numbers[rows])
        same = np.flatnonzero(self._keys[np.minimum(keys, len(self._keys) - 1)] == numbers[rows])
        return rows[same], keys[same]

    def _stands(self, text: Bytes, folded: Bytes, begins: Ints, phrases: Ints) -> Flags:
        """(P,) whether the phrase stands there, between two borders."""
        ends = begins + self._lengths[phrases]
        good = (begins >= 0) & (ends <= len(text) - PAD)
        good &= (folded[np.maximum(begins - 1, -1)] == 0) & (folded[np.minimum(ends, len(text) - 1)] == 0)
        eights = anywhere(text)
        for column in range(self._words.shape[1]):
            here = np.flatnonzero(good & (self._lengths[phrases] > WHOLE * column))
            read = eights[begins[here] + WHOLE * column] & self._masks[phrases[here], column]
            good[here] = read == self._words[phrases[here], column]
        return good


def _not_ascii(captions: pa.StringArray) -> Ints:
    """Rows of the captions that hold other characters."""
    offsets = offsets_of(captions)
    bare = np.frombuffer(captions.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    if not len(bare) or bare.max() < 128:
        return np.empty(0, np.int64)
    is_odd = np.zeros(len(captions), np.bool_)
    is_odd[np.searchsorted(offsets - offsets[0], np.flatnonzero(bare > 127), side="right") - 1] = True
    return np.flatnonzero(is_odd)


def _normalised(captions: pa.StringArray) -> tuple[Bytes, Ints]:
    """The captions end to end, normalised as far as ASCII goes, and where each begins."""
    offsets = offsets_of(captions)
    text = padded(joined(captions, BETWEEN, _LOWER))
    starts = offsets - offsets[0] + np.arange(len(offsets))
    quotes = np.zeros(len(text), np.bool_)
    for sign in ASCII_QUOTES:
        quotes |= text == sign
    text, starts = _without(text, quotes, starts)
    spaces = text == ord(" ")
    spaces[1:] &= spaces[:-1]
    spaces[:1] = False
    return _without(text, spaces, starts)


def _without(text: Bytes, gone: Flags, starts: Ints) -> tuple[Bytes, Ints]:
    places = np.flatnonzero(gone)
    if not len(places):
        return text, starts
    return text[~gone], starts - np.searchsorted(places, starts)


def _word_rows(phrases: Sequence[bytes]) -> tuple[Words, Words]:
    """(P, W) each phrase as little-endian words of eight bytes, and masks of the bytes that are its own."""
    width = max([1, *(-(-len(one) // WHOLE) for one in phrases)])
    filled = b"".join(one.ljust(WHOLE * width, b"\0") for one in phrases)
    own = b"".join((b"\xff" * len(one)).ljust(WHOLE * width, b"\0") for one in phrases)
    shape = (len(phrases), width)
    return np.frombuffer(filled, "<u8").reshape(shape), np.frombuffer(own, "<u8").reshape(shape)
