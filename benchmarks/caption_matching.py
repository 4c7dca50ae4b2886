"""Caption matching end to end from parquet on one core: 1,000 names in captions of some 63 characters.

Two corpora. `plain`: names of two or three words, captions of ASCII words. `web`: a third of the names are single
words, and captions have what those of the web have: quotes, hyphens, dashes, accents, signs. Each is written with zstd,
as `tailfirst init` does, and with snappy, as LAION does. Times are processor time; for every line the best of three.

Peers do the same on the same captions, in memory, with lower case as their only normalisation: pyahocorasick (where it
is installed) with a check of the borders, and one regular expression (on a part, and it misses overlapping names). On
the plain corpus the result is compared with pyahocorasick's, so a wrong answer cannot look fast. The floor is one pass
over the bytes of the captions (their maximum). Peak memory is that of a process of its own that reads the corpus once,
beside one that reads four times as many captions.

    python benchmarks/caption_matching.py [captions, default 1,000,000]
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.config import Retrieval
from tailfirst.embedding.keys import Keys, words
from tailfirst.paths import Workspace
from tailfirst.retrieval import corpus
from tailfirst.retrieval.counts import Lexicon
from tailfirst.retrieval.gather import gather_shard
from tailfirst.retrieval.match import Matcher
from tailfirst.retrieval.question import Question
from tailfirst.task import ClassDef, Task

NAMES, VOCABULARY, HIT_SHARE, PART, GROUP = 1_000, 40_000, 0.05, 100_000, 200_000
ONSETS = "b br c ch d f fl g gr h k l m n p pr r s st t tr v w".split()  # noqa: SIM905
VOWELS, CODAS = ("a", "e", "i", "o", "u", "ea", "oo"), ("", "", "n", "r", "s", "t", "l", "ck", "nd")
SIGNS = (  # what stands in web captions in place of a space, and in which share of them
    (", ", 0.25), (" - ", 0.12), ("-", 0.1), ("'s ", 0.06), ("’s ", 0.02), (" – ", 0.02), (' "', 0.03), ("_", 0.01),
    ("é", 0.03), ("ü", 0.01), ("™ ", 0.01), ("®", 0.01), ("… ", 0.02), (" & ", 0.05), (" | ", 0.06), (" “", 0.01),
)  # fmt: skip


def vocabulary(rng: np.random.Generator) -> list[str]:
    """Distinct pronounceable words, short ones first: the frequent words of a language are short."""
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        drawn = ((rng.choice(ONSETS), rng.choice(VOWELS), rng.choice(CODAS)) for _ in range(rng.integers(1, 4)))
        found["".join(str(part) for parts in drawn for part in parts)] = None
    return sorted(found, key=lambda word: (len(word) + rng.normal(0, 1.5), word))


def make(count: int, web: bool) -> tuple[list[str], list[str]]:
    """Captions of Zipf-distributed words, some with a name in them, and the names."""
    rng = np.random.default_rng(0)
    known = np.array(vocabulary(rng))
    weights = 1 / np.arange(10, VOCABULARY + 10)
    shortest = 1 if web else 2
    names = sorted({" ".join(rng.choice(known[200:], rng.integers(shortest, 4))) for _ in range(NAMES + 50)})[:NAMES]
    lengths = rng.integers(7, 15, count)
    drawn = known[rng.choice(VOCABULARY, lengths.sum(), p=weights / weights.sum())]
    planted = rng.random(count) < HIT_SHARE
    captions, at = [], 0
    for length, has_name in zip(lengths.tolist(), planted.tolist(), strict=True):
        text = drawn[at : at + length].tolist()
        if has_name:
            text[length // 2] = names[rng.integers(len(names))]
        captions.append(" ".join(text).capitalize())
        at += length
    return (with_signs(captions, rng) if web else captions), names


def with_signs(captions: list[str], rng: np.random.Generator) -> list[str]:
    """Each caption with some signs in place of one of its spaces."""
    for sign, share in SIGNS:
        for row in np.flatnonzero(rng.random(len(captions)) < share).tolist():
            parts = captions[row].split(" ")
            place = int(rng.integers(1, len(parts)))
            captions[row] = " ".join(parts[:place]) + sign + " ".join(parts[place:])
    return captions


def seconds(act: Callable[[], int]) -> tuple[float, int]:
    start = time.process_time()
    found = act()
    return time.process_time() - start, found


def best(act: Callable[[], int]) -> tuple[float, int]:
    return min(seconds(act) for _ in range(3))


def workspace(folder: Path, captions: list[str], compression: str) -> Workspace:
    ws = Workspace(folder)
    ws.open.mkdir(parents=True)
    rng = np.random.default_rng(1)
    shas = [rng.bytes(32).hex() for _ in range(len(captions))]
    columns = {"open_id": [f"o{row:019x}" for row in range(len(captions))], "caption": captions, "sha256": shas}
    columns["licence"], columns["source"] = ["CC0-1.0"] * len(captions), ["book"] * len(captions)
    table = pa.table(columns).append_column("nsfw", pa.array(rng.random(len(captions)) / 4, pa.float32()))
    pq.write_table(table, ws.open / "part.parquet", row_group_size=GROUP, compression=compression)
    return ws


def find(ws: Workspace, matcher: Matcher) -> int:
    return sum(len(matcher.find(piece.captions).captions) for one in corpus.shards(ws) for piece in corpus.slices(one))


def read(ws: Workspace) -> int:
    return sum(len(piece.captions) for one in corpus.shards(ws) for piece in corpus.slices(one))


def scan(matcher: Matcher, captions: pa.StringArray) -> int:
    step = corpus.SLICE_ROWS
    return sum(len(matcher.find(captions.slice(at, step)).captions) for at in range(0, len(captions), step))


def one_pass(captions: pa.StringArray) -> int:
    return int(np.frombuffer(captions.buffers()[2], np.uint8).max())


def stage_pass(ws: Workspace, names: list[str]) -> int:
    """What the stage does before ranking: count, screen, draw."""
    task = Task("t", "image", "1", tuple(ClassDef(f"c{k}", name) for k, name in enumerate(names)), ("{}",))
    asked = Question(Lexicon.of(task), Retrieval(), Keys.of(words([])), seed=1, is_text=False)
    matcher = Matcher(asked.lexicon.phrases)
    return sum(gather_shard(one, asked, matcher).matched for one in corpus.shards(ws))


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


def measure(captions: list[str], names: list[str], web: bool) -> None:
    matcher, array, count = Matcher(names), pa.array(captions, pa.string()), len(captions)
    length = sum(len(caption.encode()) for caption in captions) / count
    print(f"\n{'web' if web else 'plain'}: {count:,} captions of {length:.0f} bytes, {len(names):,} names")

    def line(what: str, taken: float, more: str = "") -> None:
        print(f"  {what:38s}{count / taken:>14,.0f} captions/s   {more}")

    floor, _ = best(lambda: one_pass(array))
    memory, found = best(lambda: scan(matcher, array))
    line("one pass over the bytes (floor)", floor)
    line("matching alone", memory, f"{found:,} hits, {memory / floor:.0f} times the floor")
    peer = None
    if importlib.util.find_spec("ahocorasick"):
        peer, same = seconds(lambda: by_ahocorasick(captions, names))
        line("pyahocorasick, in memory", peer, f"{same:,} hits; matching alone takes {memory / peer:.3f} of its time")
        assert web or same == found, "the two disagree"
    part = captions[: min(count, PART)]
    slow, _ = seconds(lambda: by_expression(part, names))
    line("regular expression, in memory", slow * count / len(part), f"on {len(part):,}")
    for compression in ("zstd", "snappy"):
        with tempfile.TemporaryDirectory() as folder:
            ws = workspace(Path(folder), captions, compression)
            ours, again = best(partial(find, ws, matcher))
            assert again == found
            reading, _ = best(partial(read, ws))
            whole, _ = best(partial(stage_pass, ws, names))
            beside = f"{ours / peer:.3f} of pyahocorasick's time" if peer else ""
            line(f"{compression}: end to end from parquet", ours, beside)
            line(f"{compression}: reading alone", reading)
            line(f"{compression}: with screening and drawing of rows", whole)


def peak(captions: list[str], names: list[str]) -> None:
    """Peak memory in a process of its own, for the corpus once and four times, in one row group each."""
    for times in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            ws = Workspace(Path(folder))
            ws.open.mkdir(parents=True)
            table = pa.table({"open_id": ["o1"] * len(captions), "caption": captions})
            with pq.ParquetWriter(ws.open / "part.parquet", table.schema, compression="zstd") as writer:
                writer.write_table(pa.concat_tables([table] * times), row_group_size=times * len(captions))
            (ws.root / "names.txt").write_text("\n".join(names), encoding="utf-8")
            done = subprocess.run(
                [sys.executable, __file__, "--peak", folder], check=True, capture_output=True, text=True
            )
            print(f"  peak memory for {times * len(captions):>10,} captions: {done.stdout.strip()}")


def peak_of(folder: str) -> None:
    ws = Workspace(Path(folder))
    matcher = Matcher((ws.root / "names.txt").read_text(encoding="utf-8").splitlines())
    before = high_water()
    find(ws, matcher)
    print(f"{high_water():.0f} MB, of which {high_water() - before:.0f} MB beyond imports and names")


def high_water() -> float:
    """MB; of this process alone (what `getrusage` says begins with the parent's)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def main() -> None:
    if sys.argv[1:2] == ["--peak"]:
        peak_of(sys.argv[2])
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for web in (False, True):
        captions, names = make(count, web)
        measure(captions, names, web)
    print()
    peak(captions, names)
    print(f"  goal: {3_000_000:,} captions/s end to end")


if __name__ == "__main__":
    main()
