"""Which rows the first stage sees (specs/alor.md 7.12): a function of the labels alone, so that a clone repeats it."""

import numpy as np

from tailfirst.adaptation._options import Tuning
from tailfirst.contracts import Ints, TrainSet


def joint_rows(train: TrainSet, params: Tuning) -> Ints:
    """Rows of the first, joint stage; the second stage always sees every human label.

    * `scratch`: all rows.
    * `stage1_once`: retrieved rows (all rows where none were retrieved).
    * `refresh`: retrieved rows and the labels up to the last refresh. The campaign starts with one at round 0 (seed
      labels); after that round r is one if `refresh_every` rounds have passed since the last, or if the labels up to r
      are at least `refresh_growth` times those up to the last. The newest round with a label is the present one.
    """
    everything = np.arange(len(train.classes))
    if params.schedule == "stage1_once":
        return np.flatnonzero(train.retrieved) if train.retrieved.any() else everything
    if params.schedule == "scratch" or train.rounds is None:
        return everything
    last = last_refresh(train.rounds[~train.retrieved], params.refresh_every, params.refresh_growth)
    return everything[train.retrieved | (train.rounds <= last)]


def last_refresh(rounds: Ints, every: int, growth: float) -> int:
    """The round of the last joint training.

    Args:
        rounds: Round of each human label; 0 = before the campaign.
        every: Rounds after which it is due.
        growth: Labels, relative to those of the last joint training, at which it is due.
    """
    last, then = 0, int((rounds <= 0).sum())
    for number in range(1, int(rounds.max(initial=0)) + 1):
        now = int((rounds <= number).sum())
        if number - last >= every or now >= growth * then:
            last, then = number, now
    return last
