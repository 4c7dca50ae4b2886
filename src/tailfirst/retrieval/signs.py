"""What single characters become in the one spelling of `normalise`, as tables for whole blocks of bytes."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tailfirst.retrieval.normalise import ASCII_QUOTES, QUOTES, WORD_BYTES, is_word, normalise

Bytes = NDArray[np.uint8]
QUOTE = 1  # in a folded text: deleted in the one spelling
SPLIT, DELETED, OPAQUE, HARD = 1, 2, 3, 4  # kinds of non-ASCII characters; 0 = not looked at yet
CODES = 0x110000


def _folded(byte: int) -> int:
    if byte in ASCII_QUOTES:
        return QUOTE
    lower = ord(chr(byte).lower()) if byte < 128 else byte
    return lower if lower in WORD_BYTES else 0


FOLD = bytes(map(_folded, range(256)))  # letters and digits in lower case, bytes of other characters; 0 between tokens


def kind_of(character: str) -> int:
    """What a non-ASCII character does to the tokens around it.

    SPLIT: it only ever stands between tokens. DELETED: a quote. OPAQUE: it makes the token that holds it one that is
    not all ASCII, and changes nothing else. HARD: everything else, such as marks that join with their neighbors and
    signs that spell ASCII letters.
    """
    if character in QUOTES and normalise(f"a{character}b") == "ab":
        return DELETED
    between = normalise(f"a{character}b")[1:-1]
    if between and not any(map(is_word, between)):
        return SPLIT
    return OPAQUE if character.isalpha() and between and not any(map(str.isascii, between)) else HARD


class Kinds:
    """Kinds of characters by code point, each worked out when it is first seen."""

    def __init__(self) -> None:
        self._table = np.zeros(CODES, np.uint8)

    def of(self, codes: NDArray[np.int64]) -> Bytes:
        """(N,) kinds; codes that no character has are HARD."""
        codes = np.where(codes < CODES, codes, 0xD800)
        found = self._table[codes]
        if not found.all():
            self._learn(np.unique(codes[found == 0]).tolist())
            found = self._table[codes]
        return found

    def _learn(self, codes: Iterable[int]) -> None:
        for code in codes:
            self._table[code] = HARD if 0xD800 <= code < 0xE000 else kind_of(chr(code))
