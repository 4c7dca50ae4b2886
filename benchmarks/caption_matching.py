"""Caption matching end to end from parquet: 1,000 multi-word names in captions of some 63 characters, one core.

Peers do the same on the same captions, in memory, with lower case as their only normalisation: pyahocorasick (where it
is installed) with a check of the borders, and one regular expression (on a part, and it misses overlapping names).
The result is compared with pyahocorasick's, so a wrong answer cannot look fast.

    python benchmarks/caption_matching.py [captions, default 1,000,000]
"""

import importlib.util
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.paths import Workspace
from tailfirst.retrieval import corpus
from tailfirst.retrieval.match import Matcher

NAMES, VOCABULARY, HIT_SHARE, PART = 1_000, 40_000, 0.05, 100_000
ONSETS = (
    "b",
    "br",
    "c",
    "ch",
    "d",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pr",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "w",
)
VOWELS, CODAS = ("a", "e", "i", "o", "u", "ea", "oo"), ("", "", "n", "r", "s", "t", "l", "ck", "nd")


def words(rng: np.random.Generator) -> list[str]:
    """Distinct pronounceable words, short ones first: the frequent words of a language are short."""
    found: set[str] = set()
    while len(found) < VOCABULARY:
        parts = rng.integers(1, 4)
        found.add(
            "".join(str(rng.choice(ONSETS)) + str(rng.choice(VOWELS)) + str(rng.choice(CODAS)) for _ in range(parts))
        )
    return sorted(found, key=lambda word: (len(word) + rng.normal(0, 1.5), word))


def make(count: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Captions of Zipf-distributed words, some with a name in them, and the names."""
    vocabulary = np.array(words(rng))
    weights = 1 / np.arange(10, VOCABULARY + 10)
    names = sorted({" ".join(rng.choice(vocabulary[200:], rng.integers(2, 4))) for _ in range(NAMES + 50)})[:NAMES]
    lengths = rng.integers(7, 15, count)
    drawn = vocabulary[rng.choice(VOCABULARY, lengths.sum(), p=weights / weights.sum())]
    planted = rng.random(count) < HIT_SHARE
    captions, at = [], 0
    for length, has_name in zip(lengths.tolist(), planted.tolist(), strict=True):
        text = drawn[at : at + length].tolist()
        if has_name:
            text[length // 2] = names[rng.integers(len(names))]
        captions.append(" ".join(text).capitalize())
        at += length
    return captions, names


def seconds(act: Callable[[], int]) -> tuple[float, int]:
    start = time.process_time()
    found = act()
    return time.process_time() - start, found


def from_parquet(ws: Workspace, matcher: Matcher) -> int:
    return sum(
        len(matcher.find(piece.captions).captions) for one in corpus.shards(ws) for piece in corpus.captions(one)
    )


def read(ws: Workspace) -> int:
    return sum(len(piece.captions) for one in corpus.shards(ws) for piece in corpus.captions(one))


def by_ahocorasick(captions: list[str], names: list[str]) -> int:
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for number, name in enumerate(names):
        automaton.add_word(name, (number, len(name)))
    automaton.make_automaton()
    count = 0
    for caption in captions:
        text = caption.lower()
        found = set()
        for end, (number, length) in automaton.iter(text):
            before, after = text[end - length : end - length + 1], text[end + 1 : end + 2]
            if (end + 1 == length or not before.isalnum()) and not after.isalnum():
                found.add(number)
        count += len(found)
    return count


def by_expression(captions: list[str], names: list[str]) -> int:
    pattern = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + r")\b")
    return sum(len(set(pattern.findall(caption.lower()))) for caption in captions)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    captions, names = make(count, np.random.default_rng(0))
    length = np.mean([len(caption) for caption in captions])
    print(f"{count:,} captions of {length:.0f} characters, {len(names):,} names of two or three words, one core")
    with tempfile.TemporaryDirectory() as folder:
        ws = Workspace(Path(folder))
        ws.open.mkdir(parents=True)
        ids = [f"o{row:019x}" for row in range(count)]
        pq.write_table(
            pa.table({"open_id": ids, "caption": captions}), ws.open / "part.parquet", row_group_size=200_000
        )
        matcher = Matcher(names)
        array = pa.array(captions, pa.large_string())
        memory, _ = min(seconds(lambda: scan(matcher, array)) for _ in range(3))
        ours, found = min(seconds(lambda: from_parquet(ws, matcher)) for _ in range(3))
        reading, _ = min(seconds(lambda: read(ws)) for _ in range(3))
    print(f"tailfirst, from parquet   {count / ours:>12,.0f} captions/s   {found:,} hits")
    print(f"  reading alone           {count / reading:>12,.0f} captions/s")
    print(f"  matching alone          {count / memory:>12,.0f} captions/s")
    if importlib.util.find_spec("ahocorasick"):
        peer, same = seconds(lambda: by_ahocorasick(captions, names))
        print(f"pyahocorasick, in memory  {count / peer:>12,.0f} captions/s   {same:,} hits")
        print(f"  ours takes {ours / peer:.2f} of its time")
        assert same == found, "the two disagree"
    part = captions[: min(count, PART)]
    slow, _ = seconds(lambda: by_expression(part, names))
    print(f"regular expression        {len(part) / slow:>12,.0f} captions/s   (on {len(part):,})")
    print(f"goal                      {3_000_000:>12,} captions/s")


def scan(matcher: Matcher, captions: pa.LargeStringArray) -> int:
    step = corpus.CAPTION_ROWS
    return sum(len(matcher.find(captions.slice(at, step)).captions) for at in range(0, len(captions), step))


if __name__ == "__main__":
    main()
