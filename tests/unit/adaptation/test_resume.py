"""A fit that was killed goes on where it stood and ends in the same bits (alor.md check 13, defect 2)."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.adaptation import _loop
from tailfirst.adaptation._checkpoint import Keeper, Standing
from tests.support import tunable

ROOT = Path(__file__).parents[3]
KILLED_IN_STEP = 7  # of three steps per epoch: in epoch 3
OPTIONS = {"epochs": 4, "epoch_rows": None, "batch": 8, "lr": 1e-3, "class_power": 1.0}


MORE = {"": {}, "full": {"tower": "full"}, "adapter": {"tower": "adapter"}, "lora": {"tower": "full", "lora_rank": 2}}


def fit(name, folder, tower):
    data = tunable.train_set(folder)
    params = plugins.params("adaptation", name, OPTIONS | MORE[tower])
    return plugins.load("adaptation", name).fit(data, params, np.random.default_rng(0)), data


def fit_and_die(name, folder, tower):
    """Run in a process of its own: it kills itself without a word in epoch 3."""
    count, plain = [0], _loop.factor

    def counted(*given):
        count[0] += 1
        if count[0] > KILLED_IN_STEP:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*given)

    _loop.factor = counted
    fit(name, Path(folder), tower)


@pytest.mark.parametrize(
    ("name", "tower"),
    [("contrastive", "full"), ("finetune", "adapter"), ("prompt", ""), ("finetune", "lora"), ("contrastive", "lora")],
    ids=lambda x: x,
)
def test_a_killed_fit_ends_in_the_same_bits(name, tower, tmp_path):
    tunable.tiny_encoder(tmp_path)
    call = f"fit_and_die({name!r}, {str(tmp_path)!r}, {tower!r})"
    command = f"from tests.unit.adaptation.test_resume import fit_and_die; {call}"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    kept = list((tmp_path / "fits").rglob("*.safetensors"))
    assert len(kept) == 1
    resumed, data = fit(name, tmp_path, tower)
    assert not list((tmp_path / "fits" / "fit").glob("*")), "what was kept is removed after success"
    for path in (tmp_path / "fits").rglob("*.safetensors"):
        path.unlink()
    fresh, _ = fit(name, tmp_path, tower)
    assert resumed.curve == fresh.curve
    assert resumed.head.scale == fresh.head.scale
    np.testing.assert_array_equal(resumed.head.weights, fresh.head.weights)
    probs = [model.probs(model.features(data.vectors, data.source.media)) for model in (resumed, fresh)]
    np.testing.assert_array_equal(*probs)


def test_what_was_kept_of_other_data_is_not_used(tmp_path):
    import torch

    path = tmp_path / "stage.safetensors"
    Keeper(path, "one").save(Standing({"weight.x": torch.ones(2)}, {"curve": []}))
    assert Keeper(path, "one").load().tensors["weight.x"].tolist() == [1, 1]
    assert Keeper(path, "other").load() is None
    path.write_bytes(b"half a file")
    assert Keeper(path, "one").load() is None


def test_rounds_between_refreshes_share_their_first_stage(tmp_path):
    """stage1_once: the second fit, with other labels, finds the first stage done."""
    data = tunable.train_set(tmp_path)
    module = plugins.load("adaptation", "finetune")
    params = plugins.params(
        "adaptation",
        "finetune",
        {"schedule": "stage1_once", "stage2": "full", "tower": "adapter", "epochs": 3, "epoch_rows": None},
    )
    first = module.fit(data, params, np.random.default_rng(0))
    memos = list((tmp_path / "fits" / "stage1").glob("*.safetensors"))
    fewer = np.concatenate([np.arange(6), np.flatnonzero(data.retrieved)])
    less = dataclasses.replace(
        data, vectors=data.vectors[fewer], classes=data.classes[fewer], retrieved=data.retrieved[fewer],
        rounds=data.rounds[fewer],
    )  # fmt: skip
    stamp = memos[0].stat().st_mtime_ns
    second = module.fit(less, params, np.random.default_rng(0))
    assert list((tmp_path / "fits" / "stage1").glob("*.safetensors")) == memos
    assert memos[0].stat().st_mtime_ns == stamp
    assert second.curve[:3] == first.curve[:3]
    assert second.curve[3:] != first.curve[3:]
