"""Texts to chunks of tokens of one padded length each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Ints
from tailfirst.encoders import _batches


@dataclass(frozen=True, slots=True)
class Chunk:
    """Texts that pass the network together."""

    rows: Ints  # of the texts that were given
    ids: NDArray[np.int64]  # (batch, length), padded with copies of the first text
    mask: NDArray[np.int64]  # (batch, length), 1 where there is a token


@dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenizer and how its tokens are padded."""

    tokenizer: Any
    longest: int  # tokens of the longest text; longer ones are cut
    step: int  # texts are padded to a multiple of this many tokens
    batch: int  # texts per chunk

    def chunks(self, texts: Sequence[str]) -> Iterator[Chunk]:
        """All texts, those of one padded length together."""
        if not texts:
            return
        tokens = self.ids(texts)
        lengths = np.array([len(one) for one in tokens], np.int64)
        for length, rows in _batches.by_length(lengths, self.step, self.longest):
            for span in _batches.spans(len(rows), self.batch):
                ids, mask = self.fed([tokens[row] for row in rows[span]], length)
                yield Chunk(rows[span], _batches.padded(ids, self.batch), _batches.padded(mask, self.batch))

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, cut at `longest`, not padded."""
        found: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=self.longest)["input_ids"]
        return found

    def fed(self, ids: Sequence[Sequence[int]], length: int | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """(N, L) ids and mask; `length` None: the longest of them, rounded up to a multiple of `step`."""
        longest = max(len(one) for one in ids)
        length = length or min(-(-longest // self.step) * self.step, self.longest)
        given = {"input_ids": [list(one) for one in ids]}
        fed = self.tokenizer.pad(given, padding="max_length", max_length=length, return_tensors="np")
        return fed["input_ids"], fed["attention_mask"]
