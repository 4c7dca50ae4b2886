"""The tail rule alone, on real long tails: which classes it would buy if every prediction were right.

python -m tailfirst.backtesting.tail_rule --lists FOLDER --out docs/results/tail-rule

Lists of five published tasks (leowangtong/ALOR, MIT): per class how many LAION-400M captions name it and how many
images its authors retrieved. Every class starts with one label and has as many items as the published pool has per
class on average; a round buys as many labels as the task has classes. The picks are those of the plugin `tail_first`
with one-hot probabilities (specs/alor.md sections 4 and 7.6).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tailfirst import artifacts
from tailfirst.acquisition import tail_first
from tailfirst.backtesting.run import commit
from tailfirst.config import Settings
from tailfirst.contracts import Floats, Ints, PoolView
from tailfirst.errors import TailfirstError, Unavailable, UserError

# name -> items per class of the published pool, on average (3,959 of 200 classes, 3,334 of 100, ...)
LISTS = {
    "semi_aves": 20,
    "aircraft": 33,
    "stanford_cars": 33,
    "food101": 500,
    "oxford_pets": 80,
}
WEIGHTS = (1.0, 0.1, 0.03, 0.01, 0.0)
ROUNDS = 6
SETTINGS = {  # name -> (counts of the list, share of a round that one class may take)
    "published": ("retrieved_count", None),
    "tailfirst": ("caption_count", 0.2),
}
COMMAND = "python -m tailfirst.backtesting.tail_rule"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round bought."""

    touched: int  # classes with at least one new label
    largest: float  # share of the round that went to one class
    single: int  # classes that still have one label after it


def simulate(
    counts: Floats, weight: float, max_share: float | None = None, supply: int | None = None, rounds: int = ROUNDS
) -> list[Round]:
    """Rounds of C labels with a perfect predictor.

    Args:
        counts: (C,) open data of each class.
        weight: Labels that one of them stands for.
        max_share: Of a round for one class; None = no cap.
        supply: Items of each class, the one labeled at the start included; None = no class runs out.
        rounds: How many.
    """
    size = len(counts)
    params = tail_first.Params(
        score="entropy", retrieved_weight=weight, counting="hard", max_share=max_share, search="none"
    )
    labels, result = np.ones(size), []
    for _ in range(rounds):
        left = np.full(size, size) if supply is None else np.minimum(size, supply - labels.astype(np.int64))
        truth = np.repeat(np.arange(size), left)
        rows = tail_first.select(_view(counts, labels, truth), size, params, np.random.default_rng(0)).rows
        bought = np.bincount(truth[rows], minlength=size)
        labels = labels + bought
        result.append(Round(int((bought > 0).sum()), float(bought.max() / size), int((labels == 1).sum())))
    return result


def read(folder: Path, name: str, field: str) -> Floats:
    """(C,) counts of a list, in the order of its classes; 0 where the list has none.

    Raises:
        Unavailable: The list is not there.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        raise Unavailable(f"{path} does not exist; --lists names the folder of {', '.join(LISTS)} (.json)")
    rows = json.loads(path.read_text(encoding="utf-8"))
    return np.array([float(rows[key].get(field) or 0) for key in sorted(rows, key=int)])


def rows_of(folder: Path) -> Iterator[list[str]]:
    """CSV rows: every list, setting, weight and round."""
    yield ["list", "classes", "setting", "w", "round", "touched", "largest_share", "single"]
    for name, supply in LISTS.items():
        for setting, (field, max_share) in SETTINGS.items():
            counts = read(folder, name, field)
            for weight in WEIGHTS:
                for number, one in enumerate(simulate(counts, weight, max_share, supply), 1):
                    facts = [f"{weight:g}", str(number), str(one.touched), f"{one.largest:.4f}", str(one.single)]
                    yield [name, str(len(counts)), setting, *facts]


def markdown(rows: Sequence[Sequence[str]], origin: str) -> str:
    """One table per setting: a row per weight, a column per list."""
    head, *body = rows
    parts = [
        "# The tail rule on real long tails",
        "",
        origin,
        "",
        "```sh",
        f"{COMMAND} --lists $TAILFIRST_SHARED_DATA/laion400m_concepts",
        "```",
        "",
        _explained(),
    ]
    said = {
        "published": "Counts: retrieved images (at most 500 per class). No cap: the published rule is w = 1.",
        "tailfirst": "Counts: matching captions, without a cap. One class takes a fifth of a round at most.",
    }
    for setting in SETTINGS:
        cells = [dict(zip(head, row, strict=True)) for row in body if row[2] == setting]
        names = [f"{name} ({next(c['classes'] for c in cells if c['list'] == name)})" for name in LISTS]
        parts += ["", f"## {setting}", "", said[setting], "", f"| w | {' | '.join(names)} |", f"|{'---|' * 6}"]
        for weight in WEIGHTS:
            texts = [_cell([c for c in cells if c["list"] == name and c["w"] == f"{weight:g}"]) for name in LISTS]
            parts.append(f"| {weight:g} | {' | '.join(texts)} |")
    return "\n".join(parts) + "\n"


def _explained() -> str:
    pools = ", ".join(f"{size} ({name})" for name, size in LISTS.items())
    return (
        f"{ROUNDS} rounds of C labels, one label per class at the start, perfect predictions, pools of {pools} items "
        "per class. A cell: classes bought in a round (fewest-most over the rounds); largest share of a round for one "
        "class; classes that still have one label at the end. `w`: labels that one open-data item stands for."
    )


def _cell(rounds: Sequence[dict[str, str]]) -> str:
    touched = [int(one["touched"]) for one in rounds]
    span = str(touched[0]) if min(touched) == max(touched) else f"{min(touched)}-{max(touched)}"
    largest = max(float(one["largest_share"]) for one in rounds)
    return f"{span}; {largest:.0%}; {rounds[-1]['single']}"


def _view(counts: Floats, labels: Floats, truth: Ints) -> PoolView:
    size = len(counts)
    return PoolView(
        item_ids=np.array([f"{row:08d}" for row in range(len(truth))]),
        vectors=np.ones((len(truth), 1), np.float32),
        class_ids=tuple(f"{c:04d}" for c in range(size)),
        probs=np.eye(size)[truth],
        labeled_vectors=np.ones((0, 1), np.float32),
        labeled_classes=np.zeros(0, np.int64),
        n_labeled=labels,
        n_pending=np.zeros(size),
        n_retrieved=counts,
        prototypes=None,
        pool_size=len(truth),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write README.md and tail-rule.csv; 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lists", type=Path, help="default: laion400m_concepts in TAILFIRST_SHARED_DATA")
    parser.add_argument("--out", type=Path, default=Path("docs/results/tail-rule"))
    given = parser.parse_args(arguments)
    try:
        folder = given.lists or _shared()
        rows = list(rows_of(folder))
    except TailfirstError as error:
        sys.stderr.write(f"tail_rule: {error}\n")
        return 2 if isinstance(error, UserError) else 1
    found = {name: artifacts.sha256_file(folder / f"{name}.json")[:16] for name in LISTS}
    origin = f"Lists {', '.join(f'{name} {sha}' for name, sha in found.items())}; commit {commit()}."
    text = f"# {origin}\n# {COMMAND}\n" + "".join(",".join(row) + "\n" for row in rows)
    artifacts.write_bytes(given.out / "tail-rule.csv", text.encode())
    artifacts.write_bytes(given.out / "README.md", markdown(rows, origin).encode())
    sys.stdout.write(f"{given.out / 'README.md'}\n")
    return 0


def _shared() -> Path:
    shared = Settings().shared_data
    if shared is None:
        raise Unavailable("no lists: give --lists, or set TAILFIRST_SHARED_DATA")
    return shared / "laion400m_concepts"


if __name__ == "__main__":
    sys.exit(main())
