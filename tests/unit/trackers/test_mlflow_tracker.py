"""What stands in MLflow after rounds were logged, killed, repeated and judged."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tailfirst.config import Settings
from tailfirst.trackers import _runs, flat_metrics, flat_params, mlflow
from tests.support import rounds_to_track as rounds


@pytest.fixture
def ws(tmp_path):
    return rounds.workspace(tmp_path)


@pytest.fixture
def tracker(ws):
    return mlflow.load(ws, Settings(_env_file=None))


@pytest.fixture
def client(tracker):
    return tracker.client()


def all_runs(client):
    experiment = client.get_experiment_by_name("trees")
    return client.search_runs([experiment.experiment_id], max_results=100)


def by_kind(client, kind):
    return [run for run in all_runs(client) if run.data.tags["kind"] == kind]


def verdict(*, promote):
    return lambda *_: SimpleNamespace(promote=promote, why="because")


def test_candidates_hang_under_rounds_and_rounds_under_the_campaign(ws, tracker, client):
    tracker.log_round(rounds.report(ws, 1, 0.5))
    tracker.log_round(rounds.report(ws, 2, 0.6))
    (campaign,) = by_kind(client, "campaign")
    parents = {run.info.run_id: run for run in by_kind(client, "round")}
    assert {run.data.tags["mlflow.parentRunId"] for run in parents.values()} == {campaign.info.run_id}
    counted = Counter(run.data.tags["mlflow.parentRunId"] for run in by_kind(client, "candidate"))
    assert counted == dict.fromkeys(parents, 2)
    assert {run.info.status for run in all_runs(client)} == {"FINISHED"}


def test_a_round_carries_what_walks_it_back(ws, tracker, client):
    tracker.log_round(rounds.report(ws, 2, 0.6))
    (run,) = by_kind(client, "round")
    tags = run.data.tags
    assert (tags["round"], tags["strategy"], tags["vendor"], tags["ontology_version"]) == (
        "2",
        "tail_first",
        "simulated",
        "1",
    )
    assert tags["dvc.md5"].endswith(".dir")
    assert tags["mlflow.source.git.commit"] == tags["git.sha"] == f"{2:040x}"
    assert run.data.params == {"campaign.name": "trees", "acquisition.budget": "20"}
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.digest == tags["dvc.md5"]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"batch.parquet", "task.yaml"}


def test_logging_a_round_again_adds_only_what_is_new(ws, tracker, client):
    one = rounds.report(ws, 1, 0.5)
    tracker.log_round(one)
    before = len(all_runs(client))
    tracker.log_round(rounds.with_page(one, ws))
    assert len(all_runs(client)) == before
    for run in all_runs(client):
        for name in run.data.metrics:
            assert len(client.get_metric_history(run.info.run_id, name)) == 1
        assert run.inputs is None or len(run.inputs.dataset_inputs) <= 1
    (run,) = by_kind(client, "round")
    assert "round-0001.html" in {file.path for file in client.list_artifacts(run.info.run_id)}
    assert len(client.search_model_versions("name = 'trees'")) == 1


def test_curves_step_by_labels_and_by_cents(ws, tracker, client):
    for round_no, right in ((1, 0.5), (2, 0.7), (3, 0.6)):
        tracker.log_round(rounds.report(ws, round_no, right))
    (campaign,) = by_kind(client, "campaign")

    def curve(name):
        return [(m.step, m.value) for m in client.get_metric_history(campaign.info.run_id, name)]

    assert curve("accuracy") == [(20, 0.5), (40, 0.7), (60, 0.6)]
    assert curve("accuracy_by_cost") == [(120, 0.5), (240, 0.7), (360, 0.6)]
    assert curve("zero_shot.accuracy") == [(20, 0.4), (40, 0.4), (60, 0.4)]
    assert curve("random_accuracy") == [(20, 0.5), (40, 0.5), (60, 0.5)]


def test_a_corrected_number_is_added_as_a_new_point(ws, tracker, client):
    tracker.log_round(rounds.report(ws, 1, 0.5))
    tracker.log_round(rounds.report(ws, 1, 0.55))
    (campaign,) = by_kind(client, "campaign")
    assert campaign.data.metrics["accuracy"] == 0.55


def test_runs_that_a_killed_process_left_running_are_closed(ws, tracker, client):
    one = rounds.report(ws, 1, 0.5)
    experiment = _runs.experiment(client, "trees", tracker.artifact_location)
    stale = _runs.run(client, experiment, "trees/round-0009", "lost", None, {"kind": "round"}, one.at)
    foreign = client.create_run(experiment).info.run_id
    tracker.log_round(one)
    assert client.get_run(stale).info.status == "KILLED"
    assert client.get_run(foreign).info.status == "RUNNING"


def test_the_newest_version_is_challenger_until_the_gate_moves_the_champion(ws, tracker, client):
    one, two, three = (rounds.report(ws, n, 0.5) for n in (1, 2, 3))

    def aliases():
        return {word: str(number) for word, number in client.get_registered_model("trees").aliases.items()}

    tracker.log_round(one)
    assert aliases() == {"challenger": "1"}
    tracker.promote(one, verdict(promote=True))
    assert aliases() == {"champion": "1"}
    tracker.log_round(two)
    tracker.promote(two, verdict(promote=False))
    assert aliases() == {"champion": "1", "challenger": "2"}
    tracker.log_round(three)
    tracker.promote(three, verdict(promote=True))
    assert aliases() == {"champion": "3", "previous": "1"}
    tracker.log_round(rounds.with_page(three, ws))
    tracker.promote(three, verdict(promote=True))
    assert aliases() == {"champion": "3", "previous": "1"}


def test_the_gates_record_stands_on_the_version(ws, tracker, client):
    for round_no in (1, 2):
        one = rounds.report(ws, round_no, 0.5)
        tracker.log_round(one)
        tracker.promote(one, verdict(promote=round_no == 1))
    tags = client.get_model_version("trees", "2").tags
    assert (tags["gate.promote"], tags["gate.why"], tags["gate.against"]) == ("false", "because", "version 1")
    assert (tags["round"], tags["candidate"], tags["labels"]) == ("2", "linear_probe", "40")


def test_a_candidate_that_is_not_available_says_why(ws, tracker, client):
    tracker.log_round(rounds.without_choice(rounds.report(ws, 1, 0.5)))
    assert {run.data.tags["why"] for run in by_kind(client, "candidate")} == {"no labels yet"}
    assert client.search_registered_models() == []


def test_no_secret_place_is_needed(ws, tracker):
    assert tracker.uri == f"sqlite:///{ws.mlruns / 'mlflow.db'}"
    other = mlflow.load(ws, Settings(_env_file=None, mlflow_uri="http://tracking.example"))
    assert (other.uri, other.artifact_location) == ("http://tracking.example", None)


def test_params_that_are_there_already_are_left_alone(ws, tracker, client):
    from dataclasses import replace

    one = rounds.report(ws, 1, 0.5)
    tracker.log_round(one)
    changed = {"campaign.name": "trees", "acquisition.budget": "99", "campaign.seed": "7"}
    tracker.log_round(replace(one, params=changed, at=one.at + timedelta(hours=1)))
    (run,) = by_kind(client, "round")
    assert run.data.params["acquisition.budget"] == "20"
    assert run.data.params["campaign.seed"] == "7"


def test_metrics_become_flat_numbers():
    metrics = {
        "accuracy": {"value": 0.5, "low": 0.4, "high": 0.6},
        "tail_accuracy": None,
        "ece": {"value": None, "low": None, "high": None},
        "per_class": {"oak": {"recall": 0.7}, "elm": {"recall": None}},
        "versus_zero_shot": {"accuracy": {"value": 0.1, "low": 0.0, "high": 0.2}},
        "n_labels": 20,
    }
    assert flat_metrics(metrics) == {
        "accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6, "recall.oak": 0.7, "n_labels": 20.0,
        "versus_zero_shot.accuracy": 0.1, "versus_zero_shot.accuracy_low": 0.0, "versus_zero_shot.accuracy_high": 0.2,
    }  # fmt: skip


def test_params_become_flat_text():
    assert flat_params({"b": {"y": [1, 2], "x": None}, "a": True}) == {"a": "True", "b.x": "None", "b.y": "1, 2"}


AT = datetime(2026, 1, 5, tzinfo=UTC)


def test_class_names_with_any_sign_become_names_that_mlflow_takes(ws, client):
    experiment = _runs.experiment(client, "signs", None)
    run = _runs.run(client, experiment, "k", "signs", None, {}, AT)
    points = [_runs.Point("recall.reverted_card_payment?", 0.25, 7), _runs.Point("recall.tree", 0.5, 7)]
    for _ in range(2):
        _runs.log(client, run, {"candidates.a+b": "1"}, points, AT)
    data = client.get_run(run).data
    assert data.metrics == {"recall.reverted_card_payment_u003f": 0.25, "recall.tree": 0.5}
    assert data.params == {"candidates.a_u002bb": "1"}
    assert len(client.get_metric_history(run, "recall.reverted_card_payment_u003f")) == 1
