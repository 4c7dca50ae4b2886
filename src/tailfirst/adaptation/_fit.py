"""From a training set to a tuned model: stage 1, blend, stage 2, head. Finetune and contrastive share all of it.

Order: the joint stage trains tower and head; `blend: weights` pulls both back; stage 2 works on what is then there;
`blend: head` comes last. So stage 2 never sees a tower that is not the final one. `blend: probs` of 7.4 is left out:
a mean of two softmaxes is no softmax of a linear head, and every model ends in one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tailfirst.adaptation import _loop, _plan
from tailfirst.adaptation._checkpoint import Keeper, digest, generator_state
from tailfirst.adaptation._draws import Draws
from tailfirst.adaptation._gate import gated
from tailfirst.adaptation._head import fit_scale, fit_step, row_weights
from tailfirst.adaptation._linear import LinearModel
from tailfirst.adaptation._options import Tuning
from tailfirst.adaptation._problems import Problem, Snapshot
from tailfirst.adaptation._tower import Tower
from tailfirst.adaptation._tuned import Tuned
from tailfirst.contracts import Floats, Head, Ints, TrainSet, Vectors
from tailfirst.errors import Unavailable
from tailfirst.vectors import unit

PULL = 4  # labels per class at which the tuned model gets half
MEMOS = 8  # finished first stages that are kept beside each other
Make = Callable[[Tower], Problem]


def untrained(train: TrainSet) -> Tuned:
    """Zero-shot, for a training set without rows.

    Raises:
        Unavailable: There are no prototypes either.
    """
    if train.prototypes is None:
        raise Unavailable("no labels and no prototypes: there is nothing to start from")
    return Tuned(LinearModel(train.encoder, train.class_ids, unit(train.prototypes), train.logit_scale), None)


def tune(train: TrainSet, params: Tuning, tower: Tower, make: Make, rng: np.random.Generator) -> Tuned:
    """The tuned model.

    Args:
        train: At least one row.
        params: Switches and numbers.
        tower: What is trained below the head.
        make: The problem above a tower.
        rng: The root of all randomness of this fit.
    """
    with _loop.deterministic(tower.device):
        return _Fit(train, params, tower, make(tower), rng).run()


@dataclass(frozen=True, slots=True)
class _Seeds:
    joint: np.random.Generator
    second: np.random.Generator
    folds: np.random.Generator
    gate: np.random.Generator


class _Fit:
    def __init__(
        self, train: TrainSet, params: Tuning, tower: Tower, problem: Problem, rng: np.random.Generator
    ) -> None:
        self.train, self.params, self.tower, self.problem = train, params, tower, problem
        self.seeds = _Seeds(*rng.spawn(4))
        self.epochs = tower.rates.epochs if params.epochs is None else params.epochs
        self.human = np.flatnonzero(~train.retrieved)
        self.alpha = share_of_tuned(len(self.human), len(train.class_ids)) if params.alpha is None else params.alpha
        self.keepers: list[Keeper] = []

    def run(self) -> Tuned:
        start, before = Snapshot.of(self.problem), self.problem.answer()
        epochs = self._epochs(start)
        curve = self._joint(epochs)
        if self.params.blend == "weights":
            start.blend(self.problem, self.alpha)
        head = self.problem.answer()
        if self.params.stage2 == "full" and len(self.human):
            curve += self._again()
            head = self.problem.answer()
        if self.params.blend == "weights":
            head = replace(head, scale=_between(self.train.logit_scale, head.scale, self.alpha))
        if self.params.stage2 == "head" and len(self.human):
            head = self._solved(head)
        if self.params.blend == "head":
            head = _blended(before.weights, self.train.logit_scale, head, self.alpha)
        linear = LinearModel(self.train.encoder, self.train.class_ids, head.weights.astype(np.float32), head.scale)
        model = Tuned(linear, self.tower.encoding(), tuple(curve))
        for keeper in self.keepers:
            keeper.forget()
        return model

    def _joint(self, epochs: int | None) -> list[_loop.Point]:
        """Stage 1: the joint training, or what an earlier fit kept of the very same one."""
        rows = _plan.joint_rows(self.train, self.params)
        rng = self.seeds.joint
        keeper = self._memo(rows, rng, epochs) or self._keeper("stage 1", rng)
        problem = gated(self.problem, self.tower, self.train, self.params, self.seeds.gate)
        return _loop.run(problem, self._stage("stage 1", rows, stop=epochs), rng, keeper)

    def _again(self) -> list[_loop.Point]:
        """Stage 2 of the whole model: human labels, classes balanced, retrieved rows replayed if asked."""
        share = self.params.stage2_labeled_share
        rows = self.human if share == 1 else np.arange(len(self.train.classes))
        draws = Draws.of(
            rows, self.train.classes, self.train.retrieved, power=self.params.stage2_balance,
            labeled_share=None if share == 1 else share, size=max(len(self.human), 1),
        )  # fmt: skip
        stage = replace(self._stage("stage 2", rows), draws=draws, epochs=self.params.stage2_epochs, cutmix=None)
        rng = self.seeds.second
        return _loop.run(self.problem, stage, rng, self._keeper("stage 2", rng))

    def _solved(self, head: Head) -> Head:
        """Stage 2 of the head: the most probable head around the one of stage 1, on unaugmented features (7.3)."""
        features, classes = self.tower.features(self.human), self.train.classes[self.human]
        return solved_head(features, classes, head, self.params)

    def _epochs(self, start: Snapshot) -> int | None:
        """How many epochs the joint stage runs: all, or those that were best on folds of the human labels (7.11)."""
        if self.params.selection == "last_epoch" or len(self.human) < 2 * self.params.folds or not self.epochs:
            return None
        right = np.zeros((self.epochs, len(self.human)))
        parts = np.array_split(self.seeds.folds.permutation(len(self.human)), self.params.folds)
        for number, part in enumerate(parts):
            start.restore(self.problem)
            rows = np.setdiff1d(_plan.joint_rows(self.train, self.params), self.human[part])
            out = self.human[part]

            def measure(epoch: int, out: Ints = out, part: Ints = part) -> None:
                scores = self.tower.features(out) @ self.problem.answer().weights.T
                right[epoch - 1, part] = scores.argmax(axis=1) == self.train.classes[out]

            rng = self.seeds.folds.spawn(1)[0]
            _loop.run(self.problem, self._stage(f"fold {number + 1}", rows), rng, Keeper(None, ""), measure)
        start.restore(self.problem)
        return best_epoch(right, self.train.classes[self.human])

    def _stage(self, name: str, rows: Ints, stop: int | None = None) -> _loop.Stage:
        params, rates = self.params, self.tower.rates
        draws = Draws.of(
            rows, self.train.classes, self.train.retrieved,
            power=params.class_power, labeled_share=params.labeled_share, size=params.epoch_rows,
        )  # fmt: skip
        lr, lr_head = params.lr or rates.lr, params.lr_head or rates.lr_head
        mixes = params.cutmix is not None and (self.tower.mixes_pixels or params.cutmix.features)
        return _loop.Stage(name, draws, params, lr, lr_head, params.cutmix if mixes else None, self.epochs, stop)

    def _key(self, stage: str, rows: Ints, rng: np.random.Generator) -> str:
        """Everything that a stage's result depends on."""
        data = [self.train.vectors[rows], self.train.classes[rows], self.train.retrieved[rows]]
        known = [stage, self.train.encoder, list(self.train.class_ids), self.params.model_dump(mode="json")]
        prompts = None if self.train.source is None else [list(one) for one in self.train.source.prompts]
        return digest(*data, known, prompts, generator_state(rng))

    def _keeper(self, stage: str, rng: np.random.Generator) -> Keeper:
        if self.train.source is None:
            return Keeper(None, "")
        key = self._key(stage, np.arange(len(self.train.classes)), rng)
        path = self.train.source.scratch / f"{stage.replace(' ', '')}.safetensors"
        keeper = Keeper(path, key)
        self.keepers.append(keeper)
        return keeper

    def _memo(self, rows: Ints, rng: np.random.Generator, epochs: int | None) -> Keeper | None:
        """Where the first stage is kept for the rounds that share it; None where each round has its own."""
        if self.train.source is None or self.params.schedule == "scratch" or self.params.unlabelled == "gated":
            return None
        folder = self.train.source.scratch.parent / "stage1"
        key = self._key(f"stage 1, {epochs or 'all'} epochs", rows, rng)
        old = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in old[MEMOS - 1 :]:
            path.unlink(missing_ok=True)
        return Keeper(folder / f"{key[:24]}.safetensors", key)


def solved_head(features: Vectors, classes: Ints, head: Head, params: Tuning) -> Head:
    """The most probable head around `head` on human labels; each class weighs the same under balance 1."""
    ones = np.ones(len(classes))
    scale = head.scale
    if params.stage2_scale == "fitted":
        scale = fit_scale(features @ head.weights.T, classes, ones, head.scale)
    weights = row_weights(classes, ones, len(head.weights), params.stage2_balance)
    logits = scale * (features @ head.weights.T)
    step = fit_step(features, classes, weights, logits, params.stage2_l2, 200)
    return Head((head.weights + step / scale).astype(np.float32), scale)


def best_epoch(right: Floats, classes: Ints) -> int:
    """The first epoch with the best balanced accuracy; `right` (epochs, rows) is 1 where a held-out row was right."""
    counts = np.bincount(classes)
    weights = 1 / (counts[classes] * (counts > 0).sum())
    return int(np.argmax(np.round(right @ weights, 9))) + 1


def share_of_tuned(labels: int, classes: int) -> float:
    """Alpha of the blend (7.4): m / (m + 4), at least 0.5, for m labels per class.

    The more was bought, the less zero-shot holds back.
    The 4 is that of the search anchors (alor.md 7.9): how many labels weigh as much as the prototype.
    """
    per_class = labels / classes
    return max(0.5, per_class / (per_class + PULL))


def _between(zero: float, tuned: float, alpha: float) -> float:
    """The blended scale: linear in its logarithm, exact at both ends."""
    return float(zero ** (1 - alpha) * tuned**alpha)


def _blended(start: Vectors, zero_scale: float, head: Head, alpha: float) -> Head:
    weights = alpha * head.weights + (1 - alpha) * start
    return Head(weights.astype(np.float32), _between(zero_scale, head.scale, alpha))
