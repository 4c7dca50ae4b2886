"""Learning byte-pair merges, the same ones on every run.

The trainer of the tokenizers library walks hash maps in an order that changes from process to process, and its
vocabulary with it. A caption corpus has few distinct words, so the plain algorithm is fast enough.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WORD_END = "</w>"

_Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Merges:
    """A byte-pair vocabulary.

    Attributes:
        vocabulary: token to id.
        pairs: merges, first learned first.
    """

    vocabulary: Mapping[str, int]
    pairs: tuple[_Pair, ...]

    def merges_text(self) -> str:
        """Return the content of ``merges.txt``."""
        return "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in self.pairs)


def learn_merges(words: Mapping[str, int], alphabet: Iterable[str], specials: Sequence[str], size: int) -> Merges:
    """Learn merges from word counts (Sennrich et al. 2016, algorithm 1), ties by the pair itself.

    Args:
        words: byte-level words and how often they occur.
        alphabet: every symbol that a word may hold; each gets a token inside and at the end of words.
        specials: tokens with the first ids.
        size: largest vocabulary.

    Returns:
        The vocabulary and its merges.
    """
    symbols = sorted(alphabet)
    tokens = [*specials, *symbols, *(symbol + WORD_END for symbol in symbols)]
    spelled = {word: (*word[:-1], word[-1] + WORD_END) for word in sorted(words)}
    pairs: list[_Pair] = []
    while len(tokens) < size:
        counts = _pair_counts(spelled, words)
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < 2:
            break
        pairs.append(best)
        tokens.append("".join(best))
        spelled = {word: _joined(parts, best) for word, parts in spelled.items()}
    return Merges({token: number for number, token in enumerate(tokens)}, tuple(pairs))


def _pair_counts(spelled: Mapping[str, tuple[str, ...]], words: Mapping[str, int]) -> Counter[_Pair]:
    counts: Counter[_Pair] = Counter()
    for word, parts in spelled.items():
        for pair in itertools.pairwise(parts):
            counts[pair] += words[word]
    return counts


def _joined(parts: tuple[str, ...], pair: _Pair) -> tuple[str, ...]:
    joined: list[str] = []
    k = 0
    while k < len(parts):
        if parts[k : k + 2] == pair:
            joined.append(parts[k] + parts[k + 1])
            k += 2
        else:
            joined.append(parts[k])
            k += 1
    return tuple(joined)
