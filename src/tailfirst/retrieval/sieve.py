"""Which captions may hold a phrase: a few passes over whole blocks, so that few captions have to be looked at closely.

Captions are joined into one block of bytes in which everything between tokens is 0. The numbers of two neighboring
tokens of a phrase, or that of a token that stands alone, are looked up in a table of bits. A caption that holds a
phrase always passes; some that hold none pass too, and `match` tells them apart. Captions with a quote inside a word
are read again without quotes; those with characters that need a closer look, such as marks, pass unread.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tailfirst.contracts import Ints
from tailfirst.retrieval.normalise import QUOTES
from tailfirst.retrieval.signs import DELETED, FOLD, HARD, OPAQUE, QUOTE, SPLIT, Bytes, Kinds
from tailfirst.retrieval.tokens import (
    PREFIX,
    WHOLE,
    Bits,
    Halves,
    Words,
    hashed,
    joined,
    numbers_of,
    offsets_of,
    padded,
    prefixes,
    token_starts,
    wholes,
)

Flags = NDArray[np.bool_]
BLOCK_BYTES = 1 << 19  # of captions at a time: what is made of a block stays near the processor
ANY_QUOTE = f"[{QUOTES}]"
LEFT, RIGHT = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)  # multipliers of the hash of a pair


class Sieve:
    """Lets the captions pass that may hold one of the phrases (normalised)."""

    def __init__(self, phrases: Iterable[str]) -> None:
        pairs: list[tuple[bytes, bytes]] = []
        singles: list[bytes] = []
        self._needs_opaque = False  # a phrase has no ASCII token: whatever has other tokens may hold it
        for phrase in phrases:
            tokens = [token for token in phrase.encode().translate(FOLD).split(b"\0") if token]
            beside = [pair for pair in pairwise(tokens) if b"".join(pair).isascii()]
            alone = [token for token in tokens if token.isascii()]
            if beside:
                pairs.append(max(beside, key=lambda pair: sum(min(len(token), PREFIX) for token in pair)))
            elif alone:
                singles.append(max(alone, key=len))
            self._needs_opaque |= bool(tokens) and not alone
        left, right = (numbers_of([pair[side] for pair in pairs], PREFIX).astype(np.uint32) for side in (0, 1))
        self._pairs, self._both = Bits(_pair_hash(left, right)), Bits(hashed(_both(left, right)))
        self._singles = Bits(numbers_of(singles, PREFIX).astype(np.uint32) * LEFT)
        self._wholes = Bits(hashed(numbers_of(singles, WHOLE)))
        self._kinds = Kinds()

    def rows(self, captions: pa.StringArray) -> Ints:
        """The captions that pass, ascending; captions without nulls, not normalised."""
        found = [np.empty(0, np.int64)]
        for start, part in _parts(captions):
            passed, quoted = self._passed(part)
            if len(quoted):
                again, _ = self._passed(pc.replace_substring_regex(part.take(pa.array(quoted)), ANY_QUOTE, ""))
                passed[quoted[again]] = True
            found.append(np.flatnonzero(passed) + start)
        return np.concatenate(found)

    def _passed(self, captions: pa.StringArray) -> tuple[Flags, Ints]:
        """(R,) which captions pass, and the rows of those that must be read again without quotes."""
        text = padded(joined(captions, "\n", FOLD))
        ends = offsets_of(captions)
        starts = ends - ends[0] + np.arange(len(ends))  # behind each caption stands one byte more
        hard, quotes = self._clear(text)
        passed = np.zeros(len(captions), np.bool_)
        for places in (hard, self._likely(text)):
            passed[np.searchsorted(starts, places, side="right") - 1] = True
        quoted = np.zeros(len(captions), np.bool_)
        quoted[np.searchsorted(starts, quotes, side="right") - 1] = True
        return passed, np.flatnonzero(quoted & ~passed)

    def _clear(self, text: Bytes) -> tuple[Ints, Ints]:
        """Make 0 of all that is no token; gives places of characters to look at closely, and of quotes inside words."""
        quotes = np.flatnonzero(text == QUOTE)
        ends, hard = quotes + 1, np.empty(0, np.int64)
        if text.max() > 127:
            firsts = np.flatnonzero(text >= 0xC0)
            codes, after = _characters(text, firsts)
            kinds = self._kinds.of(codes)
            hard = firsts[(kinds == HARD) | ((kinds == OPAQUE) & self._needs_opaque)]
            _blank(text, firsts[kinds == SPLIT], after[kinds == SPLIT])
            quotes = np.concatenate([quotes, firsts[kinds == DELETED]])
            ends = np.concatenate([ends, after[kinds == DELETED]])
        inside = quotes[(text[quotes - 1] != 0) & (text[ends] != 0)]  # without such a quote, two tokens are one
        _blank(text, quotes, ends)
        return hard, inside

    def _likely(self, text: Bytes) -> Ints:
        """A place in every caption that holds the tokens of a phrase."""
        at = token_starts(text)
        numbers = prefixes(text, at)
        found = [np.empty(0, np.int64)]
        if self._pairs.used:
            following = np.append(numbers[1:], np.uint32(0))
            likely = self._pairs.among(_pair_hash(numbers, following))
            sure = self._both.among(hashed(_both(numbers[likely], following[likely])))
            found.append(at[likely[sure]])
        if self._singles.used:
            likely = at[self._singles.among(numbers * LEFT)]
            found.append(likely[self._wholes.among(hashed(wholes(text, likely)))])
        return np.concatenate(found)


def _parts(captions: pa.StringArray) -> Iterator[tuple[int, pa.StringArray]]:
    """Slices of about `BLOCK_BYTES`, with the row each begins at."""
    offsets, start = offsets_of(captions), 0
    while start < len(captions):
        stop = int(np.searchsorted(offsets, offsets[start] + BLOCK_BYTES, side="right")) - 1
        stop = max(stop, start + 1)
        yield start, captions.slice(start, stop - start)
        start = stop


def _both(left: Halves, right: Halves) -> Words:
    return left | right.astype(np.uint64) << np.uint64(32)


def _pair_hash(left: Halves, right: Halves) -> Halves:
    return left * LEFT + right * RIGHT


def _characters(text: Bytes, firsts: Ints) -> tuple[Ints, Ints]:
    """(K,) the code points of UTF-8 characters that begin at these places, and where each ends."""
    lead, *rest = (text[firsts + k].astype(np.int64) for k in range(4))
    sizes = 2 + (lead >= 0xE0) + (lead >= 0xF0)
    codes = lead & (0x7F >> sizes)
    for size, more in enumerate(rest, 2):
        codes = np.where(sizes >= size, codes << 6 | more & 0x3F, codes)
    return codes, firsts + sizes


def _blank(text: Bytes, firsts: Ints, ends: Ints) -> None:
    for k in range(4):
        text[firsts[firsts + k < ends] + k] = 0
