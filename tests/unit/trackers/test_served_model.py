"""A registered version can be loaded and served: vectors, images, texts; without pickles."""

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tailfirst import plugins
from tailfirst.adaptation._linear import LinearModel
from tailfirst.artifacts import atomic_folder
from tailfirst.config import Settings
from tailfirst.encoders import clip
from tailfirst.trackers import EncoderReport, mlflow
from tests.support import rounds_to_track as rounds
from tests.support import tunable
from tests.support.tiny_clip import make_tiny_clip

WAIT_S = 120


@pytest.fixture
def ws(tmp_path):
    return rounds.workspace(tmp_path)


def champion(ws, report):
    """The folder of the registered version's model."""
    tracker = mlflow.load(ws, Settings(_env_file=None))
    tracker.log_round(report)
    return tracker.client().get_model_version_download_uri("trees", "1")


def load(uri):
    from mlflow import pyfunc  # noqa: TID251

    return pyfunc.load_model(uri)


def test_vectors_in_probabilities_out(ws):
    report = rounds.report(ws, 1, 0.5)
    model = load(champion(ws, report))
    vectors = np.random.default_rng(0).normal(size=(4, rounds.DIM))
    found = model.predict(pd.DataFrame({"vector": [row.tolist() for row in vectors]}))
    assert list(found.columns) == list(rounds.CLASSES)
    units = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    from tailfirst.adaptation import linear_probe

    np.testing.assert_allclose(found.to_numpy(), linear_probe.load(report.candidates[1].model).probs(units), rtol=1e-5)


@pytest.mark.parametrize("vector", [[1.0, 2.0], [0.0] * rounds.DIM, [float("nan")] * rounds.DIM])
def test_a_vector_that_is_none_is_refused(ws, vector):
    model = load(champion(ws, rounds.report(ws, 1, 0.5)))
    with pytest.raises(Exception, match="vector"):
        model.predict(pd.DataFrame({"vector": [vector]}))


def test_the_model_folder_holds_no_pickle_and_pins_its_requirements(ws):
    from urllib.parse import urlparse

    folder = Path(urlparse(champion(ws, rounds.report(ws, 1, 0.5))).path)
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".joblib"))] == []
    assert {"MLmodel", "served.json", "weights.safetensors"} <= set(names)
    pins = (folder / "requirements.txt").read_text().split()
    assert all("==" in pin and "+" not in pin for pin in pins)
    assert any(pin.startswith("numpy==") for pin in pins)


def picture(paint):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), paint).save(file, "PNG")
    return file.getvalue()


def test_images_go_through_the_encoder_that_travels_with_the_model(ws):
    make_tiny_clip(ws.root / "encoder")
    options = {"model": "encoder", "revision": None, "dtype": "float32", "batch": 4}
    encoder = clip.load(clip.Params(**options), ws, Settings(_env_file=None))
    report = rounds.report(ws, 1, 0.5)
    weights = np.random.default_rng(1).normal(size=(3, encoder.dim)).astype(np.float32)
    with atomic_folder(report.candidates[1].model) as made:
        LinearModel(encoder.fingerprint, rounds.CLASSES, weights, 5.0).save(made)
    report = replace(report, encoder=EncoderReport("clip", encoder.fingerprint, options, "image", encoder.dim))
    model = load(champion(ws, report))
    (ws.root / "encoder" / "config.json").unlink()  # the copy in the bundle is used
    pictures = [picture("red"), picture("navy")]
    as_bytes = model.predict(pd.DataFrame({"image": pictures}))
    assert as_bytes.shape == (2, 3)
    assert not np.allclose(as_bytes.iloc[0], as_bytes.iloc[1])
    from tailfirst.adaptation import linear_probe
    from tailfirst.contracts import Media

    vectors = encoder.items([Media(str(i), data=data) for i, data in enumerate(pictures)])
    np.testing.assert_allclose(
        as_bytes.to_numpy(), linear_probe.load(report.candidates[1].model).probs(vectors), atol=1e-5
    )
    python_model = model.unwrap_python_model()
    text = base64.b64encode(pictures[0]).decode()
    again = python_model.predict(None, pd.DataFrame({"image": [text]}))
    np.testing.assert_allclose(again.to_numpy()[0], as_bytes.to_numpy()[0], atol=1e-6)


@pytest.mark.parametrize("tower", ["full", "adapter"])
def test_a_tuned_model_serves_pictures(ws, tower):
    data = tunable.train_set(ws.root / "tiny")
    options = {"model": str(ws.root / "tiny" / "clip"), "revision": None, "dtype": "float32", "batch": 8}
    given = plugins.params("adaptation", "contrastive", {"tower": tower, "epochs": 2, "epoch_rows": None, "lr": 1e-3})
    tuned = plugins.load("adaptation", "contrastive").fit(data, given, np.random.default_rng(0))
    report = rounds.report(ws, 1, 0.5)
    with atomic_folder(report.candidates[1].model) as made:
        tuned.save(made)
    chosen = replace(report.candidates[1], adaptation="contrastive")
    encoder = EncoderReport("clip", data.encoder, options, "image", data.vectors.shape[1])
    report = replace(report, encoder=encoder, class_ids=data.class_ids, candidates=(report.candidates[0], chosen))
    folder = champion(ws, report)
    shutil.rmtree(ws.root / "tiny" / "clip")  # what the model needs travels with it
    media, _ = tunable.pictures(6, seed=4)
    found = load(folder).predict(pd.DataFrame({"image": [one.data for one in media]}))
    assert list(found.columns) == list(data.class_ids)
    vectors = data.source.encoder().items(media)
    features = tuned.features(vectors, lambda rows: [media[row] for row in rows])
    np.testing.assert_allclose(found.to_numpy(), tuned.probs(features), atol=1e-5)
    tracker = mlflow.load(ws, Settings(_env_file=None))
    client = tracker.client()
    run = client.get_model_version("trees", "1").run_id
    assert [(m.step, m.value) for m in client.get_metric_history(run, "train/loss")] == [
        (number, point.loss) for number, point in enumerate(tuned.curve, 1)
    ]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(port, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return answer.read()


def test_the_champion_answers_over_http(ws):
    tracker = mlflow.load(ws, Settings(_env_file=None))
    report = rounds.report(ws, 1, 0.5)
    tracker.log_round(report)
    tracker.promote(report, lambda *_: type("Yes", (), {"promote": True, "why": "first"})())
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/trees@champion", "--env-manager", "local",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    environment = os.environ | mlflow.ENVIRONMENT | {"MLFLOW_TRACKING_URI": tracker.uri, "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment.pop("PYTHONPATH", None)  # the code that travels with the model is enough
    log = (ws.root / "serve.log").open("w")
    server = subprocess.Popen(command, env=environment, cwd=ws.root, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                ask(port, "/ping")
                break
            except (OSError, urllib.error.URLError):
                assert server.poll() is None, (ws.root / "serve.log").read_text()[-3000:]
                assert time.monotonic() < deadline, (ws.root / "serve.log").read_text()[-3000:]
                time.sleep(0.5)
        body = {"dataframe_split": {"columns": ["vector"], "data": [[[1.0] * rounds.DIM], [[-1.0] + [0.5] * 5]]}}
        rows = json.loads(ask(port, "/invocations", body))["predictions"]
        assert [set(row) for row in rows] == [set(rounds.CLASSES)] * 2
        assert all(abs(sum(row.values()) - 1) < 1e-6 for row in rows)
    finally:
        end(server)
        log.close()


def end(server):
    """End the server and the worker that it started, by their ids."""
    import psutil

    family = (
        [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        if server.poll() is None
        else []
    )
    for process in family:
        process.terminate()
    psutil.wait_procs(family, timeout=10)
    server.wait(timeout=10)
