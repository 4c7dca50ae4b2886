"""What a label costs and how often it is right: majority, Dawid-Skene, CROWDLAB and ActiveLab on a simulated crowd.

    python benchmarks/crowd.py [--seeds 5] [--write docs/results/crowd/README.md]

20 annotators, 3 of them spammers, 15 % noise (benchmarks/_crowd.py says what kind), on the features of Caltech-101
where TAILFIRST_SHARED_DATA is set, else on a mixture of Gaussians. First the same items at different prices, then the
same money. Intervals: 95 %, Student's t over seeds; differences are paired over seeds. Model probabilities come from
5 linear probes, each trained on the majority of the other four fifths. The page that --write makes has the figures of
benchmarks/crowd_speed.py too.
"""

import argparse
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
from _crowd import L2, SPAMMERS, Crowd, load, out_of_sample, probe
from crowd_speed import speed

from tailfirst.evaluation.intervals import over_seeds
from tailfirst.quality.activelab import lowest, missing_overlap, relabel_scores, split
from tailfirst.quality.aggregate import aggregate
from tailfirst.quality.annotators import statistics
from tailfirst.quality.answers import Answers
from tailfirst.quality.confusion import weak
from tailfirst.quality.majority import majority
from tailfirst.quality.spam import spammers, suspects

PRICE_USD = 0.05
ITEMS, BUDGET, ROUND = 1000, 3000, 400
START, GOLD = 600, 0.05


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    task = load()
    found = [measured(task, seed) for seed in range(given.seeds)]
    caught = np.array([one.pop("caught") for one in found])
    parts = [f"Task: {task.name}; {given.seeds} seeds; {PRICE_USD} USD per answer.", *tables(found), spam_line(caught)]
    print("\n\n".join(parts))
    if given.write:
        parts += ["## Seconds and memory", speed()]
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        old = given.write.read_text(encoding="utf-8") if given.write.exists() else ""
        given.write.parent.mkdir(parents=True, exist_ok=True)
        page = HEAD.format(commit=commit) + "\n\n".join(parts) + "\n" + kept(old)
        given.write.write_text(page, encoding="utf-8")


HEAD = """# A simulated crowd

Commit {commit}. What was simulated and how it is measured stands in `benchmarks/crowd.py` and `benchmarks/_crowd.py`.

```sh
python benchmarks/crowd.py --write docs/results/crowd/README.md
```

"""
OURS = "\n## What it shows\n"


def kept(old):
    """The hand-written part of the page: everything from its heading on."""
    return OURS + old.split(OURS, 1)[1] if OURS in old else ""


def measured(task, seed):
    """{(block, arm): (answers, items, consensus accuracy, probe accuracy twice)} of one seed, and who was caught."""
    crowd = Crowd(task, seed)
    order = np.random.default_rng([seed, 3]).permutation(len(task.truth))
    result = {}
    for arm, answers, labels in [*same_items(crowd, order[:ITEMS], seed)]:
        result["same items", arm] = score(task, answers, labels)
    result["caught"] = caught(crowd, order[:ITEMS], seed)
    for arm, answers, labels in [*same_money(crowd, order, seed)]:
        result["same money", arm] = score(task, answers, labels)
    return result


def score(task, answers, labels):
    rows = np.array([int(item) for item in answers.item_ids])
    right = float((labels == task.truth[rows]).mean())
    return len(answers.items), len(rows), right, *(tested(task, rows, labels, l2) for l2 in (L2, None))


def tested(task, rows, labels, l2):
    model = probe(task.vectors[rows], labels, task.classes, l2)
    return float((model.probs(task.test_vectors).argmax(axis=1) == task.test_truth).mean())


def view(crowd, answers, seed):
    """(N, C) what a model that did not see an item says of it."""
    rows = np.array([int(item) for item in answers.item_ids])
    return out_of_sample(crowd.task.vectors[rows], majority(answers).labels, crowd.task.classes, seed)


def methods(crowd, answers, seed):
    """Consensus labels of every method on the same answers."""
    probs = view(crowd, answers, seed)
    yield "majority", majority(answers).labels
    yield "majority, ties by model", majority(answers, probs).labels
    yield "Dawid-Skene", aggregate("dawid_skene", answers).labels
    helped = weak(answers.annotator_ids, answers.class_ids)
    yield "Dawid-Skene, weak prior", aggregate("dawid_skene", answers, prior=helped).labels
    yield "CROWDLAB", aggregate("crowdlab", answers, probs).labels
    yield "CROWDLAB, balanced", aggregate("crowdlab", answers, probs, balanced=True).labels


def same_items(crowd, items, seed):
    yield "1 answer", (single := crowd.answers(dict.fromkeys(items.tolist(), 1))), majority(single).labels
    for name, times in (
        ("1 answer, every tenth item 2", tenth(items)),
        ("2 answers", dict.fromkeys(items.tolist(), 2)),
    ):
        answers = crowd.answers(times)
        yield f"{name}: CROWDLAB", answers, aggregate("crowdlab", answers, view(crowd, answers, seed)).labels
    for overlap in (3, 5):
        answers = crowd.answers(dict.fromkeys(items.tolist(), overlap))
        for name, labels in methods(crowd, answers, seed):
            yield f"{overlap} answers: {name}", answers, labels
        if overlap == 3:
            yield "3 answers: majority without caught spammers", *without_spam(crowd, answers, seed)
    for budget in (2 * ITEMS, 3 * ITEMS):
        answers = relabeled(crowd, items, budget, seed)
        labels = aggregate("crowdlab", answers, view(crowd, answers, seed)).labels
        yield f"{budget / ITEMS:g} answers on average, ActiveLab chooses: CROWDLAB", answers, labels


def accused(crowd, answers, seed):
    """5 % of the items are gold: whom the rules catch."""
    rng = np.random.default_rng([seed, 4])
    gold = rng.choice(answers.item_ids, int(GOLD * len(answers.item_ids)), replace=False)
    known = {item: answers.class_ids[crowd.task.truth[int(item)]] for item in gold.tolist()}
    return spammers(suspects(statistics(answers, majority(answers).labels, known)))


def caught(crowd, items, seed):
    """(spammers, honest) caught at 3 answers per item."""
    found = accused(crowd, crowd.answers(dict.fromkeys(items.tolist(), 3)), seed)
    guilty = sum(name in crowd.spammers for name in found)
    return guilty, len(found) - guilty


def without_spam(crowd, answers, seed):
    """The answers of those whom the rules catch go, and what is left is voted on."""
    gone = np.isin(answers.annotator_ids, accused(crowd, answers, seed))[answers.annotators]
    left = Answers.build(
        (
            (answers.item_ids[i], answers.annotator_ids[a], answers.class_ids[k])
            for i, a, k in zip(answers.items[~gone], answers.annotators[~gone], answers.labels[~gone], strict=True)
        ),
        answers.class_ids,
    )
    labels = majority(answers).labels.copy()
    labels[np.isin(answers.item_ids, left.item_ids)] = majority(left).labels
    return answers, labels


def tenth(items):
    """One answer each, two to every tenth item."""
    return dict.fromkeys(items.tolist(), 1) | dict.fromkeys(items[: len(items) // 10].tolist(), 2)


def relabeled(crowd, items, budget, seed):
    """One answer each, then ROUND more at a time where ActiveLab's score is lowest."""
    times = tenth(items)
    while (left := budget - sum(times.values())) > 0:
        answers = crowd.answers(times)
        scores, _ = relabel_scores(answers, view(crowd, answers, seed), np.zeros((0, crowd.task.classes)))
        for row in lowest(scores, min(ROUND, left)):
            times[int(answers.item_ids[row])] += 1
    return crowd.answers(times)


def same_money(crowd, order, seed):
    for overlap in (1, 3, 5):
        answers = crowd.answers(dict.fromkeys(order[: BUDGET // overlap].tolist(), overlap))
        if overlap == 1:
            yield "1 answer", answers, majority(answers).labels
            answers = crowd.answers(tenth(order[: round(BUDGET / 1.1)]))
            labels = aggregate("crowdlab", answers, view(crowd, answers, seed)).labels
            yield "1 answer, every tenth item 2: CROWDLAB", answers, labels
            continue
        probs = view(crowd, answers, seed)
        yield f"{overlap} answers: majority", answers, majority(answers).labels
        helped = weak(answers.annotator_ids, answers.class_ids)
        found = aggregate("dawid_skene", answers, prior=helped)
        yield f"{overlap} answers: Dawid-Skene, weak prior", answers, found.labels
        yield f"{overlap} answers: CROWDLAB", answers, aggregate("crowdlab", answers, probs).labels
    for cap in (0.30, 1.0):
        answers = grown(crowd, order, cap, seed)
        labels = aggregate("crowdlab", answers, view(crowd, answers, seed)).labels
        yield f"ActiveLab, at most {cap:.0%} relabels a round: CROWDLAB", answers, labels


def grown(crowd, order, cap, seed):
    """Rounds of new items, in random order, and second answers, as `split` divides them."""
    times = dict.fromkeys(order[:START].tolist(), 1)
    while (left := min(ROUND, BUDGET - sum(times.values()))) > 0:
        answers = crowd.answers(times)
        rows = np.array([int(item) for item in answers.item_ids])
        probs = view(crowd, answers, seed)
        fresh = order[len(times) : len(times) + BUDGET]
        model = probe(crowd.task.vectors[rows], majority(answers, probs).labels, crowd.task.classes)
        scores, new = relabel_scores(answers, probs, model.probs(crowd.task.vectors[fresh]))
        plan = split(left, scores, new, cap, at_least=missing_overlap(answers.per_item, left))
        for row in lowest(scores, plan.n_relabel):
            times[int(answers.item_ids[row])] += 1
        times |= dict.fromkeys(fresh[: plan.n_new].tolist(), 1)
    return crowd.answers(times)


def tables(found):
    blocks = defaultdict(dict)
    for block, arm in found[0]:
        blocks[block][arm] = np.array([one[block, arm] for one in found])
    base = {"same items": "3 answers: majority", "same money": "3 answers: majority"}
    titles = {
        "same items": f"The same {ITEMS:,} items",
        "same money": f"The same {BUDGET:,} answers, {money(BUDGET)} USD",
    }
    return [table(titles[block], arms, base[block]) for block, arms in blocks.items()]


def table(title, arms, base):
    names = (
        "consensus", "answers", "USD", "items", "labels right", f"against {base}",
        f"probe on them (l2 {L2:g}), test items right", "probe with the default l2", "USD per right label",
    )  # fmt: skip
    lines = [f"## {title}", "", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for arm, values in arms.items():
        answers, items, right, *test = values.T
        gap = "" if arm == base else spread(right - arms[base][:, 2], "+.3f")
        cells = (
            arm, f"{answers.mean():,.0f}", money(answers.mean()), f"{items.mean():,.0f}", spread(right, ".3f"), gap,
            *(spread(t, ".3f") for t in test), f"{np.mean(answers * PRICE_USD / (items * right)):.3f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spam_line(caught):
    guilty, innocent = caught.mean(axis=0)
    return (
        f"Signs of spam at 3 answers per item and {GOLD:.0%} gold: {guilty:.1f} of {SPAMMERS} spammers caught and "
        f"{innocent:.1f} honest annotators accused, on average over the seeds."
    )


def spread(values, form):
    found = over_seeds(values, 0.95)
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]".replace("-", "−")


def money(answers):
    return f"{answers * PRICE_USD:,.0f}"


if __name__ == "__main__":
    main()
