"""Class files, csv oddities, pictures, params and the command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tailfirst import config
from tailfirst.errors import UserError
from tailfirst.intake import classes, command, params, pictures, rows
from tailfirst.intake.records import InitRequest
from tailfirst.paths import Workspace
from tailfirst.task import ClassDef, load_task

TWO = (ClassDef("lost_card", "lost card"), ClassDef("7", "7"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.txt", "lost_card\n\n 7 \n"),
        ("c.json", '["lost_card", 7]'),
        ("c.yaml", "- lost_card\n- {id: 7}\n"),
        ("c.yml", "name: t\nmodality: text\nclasses: [lost_card, 7]\n"),
        ("d.json", '{"lost_card": "lost card", "7": "7"}'),
    ],
)
def test_class_files(tmp_path: Path, name: str, content: str):
    (tmp_path / name).write_text(content)
    assert classes.read_classes(tmp_path / name) == TWO


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("c.json", "[", "cannot be read"),
        ("c.json", "3", "must hold a list"),
        ("c.txt", "\n", "must hold a list"),
        ("c.yaml", "- {name: x}\n", "class 1: found"),
        ("c.yaml", "- {id: x, synonyms: y}\n", "synonyms must be a list"),
        ("c.csv", "a", "read from .txt"),
    ],
)
def test_wrong_class_files(tmp_path: Path, name: str, content: str, why: str):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=why):
        classes.read_classes(tmp_path / name)


def test_synonyms_are_added_and_unknown_classes_named(tmp_path: Path):
    path = tmp_path / "s.yaml"
    path.write_text("Lost-Card: [stolen card, stolen card]\n")
    request = InitRequest(synonyms=path)
    task = classes.make_task(request, "t", "text", ["lost_card", "b"])
    assert task.classes[1] == ClassDef("lost_card", "lost card", ("stolen card",))
    path.write_text("zebra: [x]\n")
    with pytest.raises(UserError, match=r"unknown classes: zebra; known: b, lost_card"):
        classes.make_task(request, "t", "text", ["lost_card", "b"])


def test_classes_of_labels_are_sorted_as_numbers_where_they_are(tmp_path: Path):
    assert classes.make_task(InitRequest(), "t", "text", ["10", "9", "10"]).class_ids == ("9", "10")
    with pytest.raises(UserError, match=r"mean the same.*--classes FILE"):
        classes.make_task(InitRequest(), "t", "text", ["A b", "a-b"])
    with pytest.raises(UserError, match="no class is known"):
        classes.make_task(InitRequest(), "t", "text", [])


def test_csv_keeps_quoted_newlines_and_skips_the_byte_order_mark(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_bytes('\ufefftext,y\n"a\nb",01\n,NA\n'.encode())
    assert [r.values for r in rows.read_rows(path, ("text", "y"))] == [("a\nb", "01"), ("", "NA")]
    assert [r.values for r in rows.read_rows(path, ("y", "text"))] == [("01", "a\nb"), ("NA", "")]


def test_single_columns_keep_their_empty_rows(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("text\na\n\nb\n")
    assert [(r.number, *r.values) for r in rows.read_rows(path, ("text",))] == [(1, "a"), (2, ""), (3, "b")]


def test_tabs(tmp_path: Path):
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\n1,5\tx\n")
    assert [r.values for r in rows.read_rows(path, ("b", "a"))] == [("x", "1,5")]


@pytest.mark.parametrize(
    ("value", "label"),
    [(None, None), (float("nan"), None), ("", None), (" nan ", None), (3.0, "3"), (2.5, "2.5"), (7, "7"), (" a ", "a")],
)
def test_labels_as_text(value: object, label: str | None):
    assert rows.as_label(value) == label


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_good_pictures_pass_and_cut_ones_do_not(kind: str, make_picture: Callable[..., bytes]):
    data = make_picture(5, kind, 64)
    assert pictures.fault(data) is None
    assert pictures.fault(data[: len(data) // 2]) is not None
    assert pictures.fault(b"") == "empty file"


@pytest.mark.parametrize("modality", ["image", "text", "vector"])
@pytest.mark.parametrize("n_open", [0, 5])
def test_first_params_are_valid(tmp_path: Path, modality: str, n_open: int):
    basis = params.Basis("c", modality, modality == "vector", prototypes=False, n_pool=45, n_open=n_open)  # type: ignore[arg-type]
    (tmp_path / "params.yaml").write_text(params.first_params(basis))
    found = config.load(tmp_path / "params.yaml")
    assert "@" not in params.first_params(basis)
    assert found.retrieval.enabled == (n_open > 0 and modality != "vector")
    assert found.acquisition.budget == 4
    assert found.encoder.plugin == {"image": "clip", "text": "text", "vector": "precomputed"}[modality]


def test_slug():
    assert params.slug("My Task_2!") == "my-task-2"
    assert len(params.slug("x" * 90)) == 40
    with pytest.raises(UserError):
        params.slug("ä")


def test_command_tells_what_was_made(tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch):
    finished: list[Workspace] = []
    monkeypatch.setattr(command, "finish", finished.append)
    app = typer.Typer()
    app.command()(command.init)
    options = ["--root", tmp_path / "ws", "--table", texts, "--text-column", "text", "--label-column", "category"]
    more = ["--holdout-share", "0.25", "--template", "a {}", "--template", "the {}", "--open", texts]
    result = CliRunner().invoke(app, [str(part) for part in (*options, *more)])
    assert result.exit_code == 0, result.output
    assert finished == [Workspace(tmp_path / "ws")]
    assert load_task(finished[0].task).templates == ("a {}", "the {}")
    assert "tailfirst plan" in result.output
    assert json.dumps("open-corpus rows")[1:-1] in result.output
    assert "12" in result.output
