"""The command starts fast, finds its workspace, and keeps to its exit codes."""

import json
import subprocess
import sys

import pytest

from tailfirst import __version__, cli
from tailfirst.commands import shell
from tailfirst.errors import ConfigError, OverCap
from tests.support import tiny_workspace

HEAVY = {"torch", "mlflow", "dvc", "great_expectations", "prefect", "sklearn", "transformers", "faiss", "matplotlib"}


@pytest.mark.parametrize("typed", [["--help"], ["plan", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(typed):
    code = f"import sys; from tailfirst import cli; cli.run({typed!r}); sys.stderr.write(','.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint({name.split(".")[0] for name in done.stderr.split(",")})
    assert "tailfirst" in done.stdout


def test_help_lists_every_command(capsys):
    assert cli.run(["--help"]) == 0
    out = capsys.readouterr().out
    names = "init status plan approve advance report lineage pause resume replay fetch take-down serve"
    for name in names.split():
        assert f" {name} " in out


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"tailfirst {__version__}\n"


def test_the_nearest_workspace_upwards_is_taken(tmp_path):
    (tmp_path / "params.yaml").write_text("")
    below = tmp_path / "data" / "images"
    below.mkdir(parents=True)
    assert shell.find_root(None, below) == tmp_path.resolve()
    (below.parent / "params.yaml").write_text("")
    assert shell.find_root(None, below) == below.parent.resolve()
    assert shell.find_root(tmp_path, below) == tmp_path.resolve()


def test_a_folder_without_params_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--root"):
        shell.find_root(tmp_path)
    with pytest.raises(ConfigError, match="is not a folder"):
        shell.find_root(tmp_path / "none")


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (ConfigError("wrong\nindeed"), 2, "tailfirst: wrong indeed\n"),
        (OverCap("no money"), 1, "tailfirst: OverCap: no money\n"),
        (KeyboardInterrupt(), 130, "tailfirst: interrupted; whatever was done is kept, run it again to go on\n"),
    ],
)
def test_exit_codes(monkeypatch, capsys, raised, code, said):
    def fail(**_):
        raise raised

    monkeypatch.setattr(cli, "app", fail)
    assert cli.run([]) == code
    assert capsys.readouterr().err == said


def test_an_unexpected_error_keeps_its_traceback(monkeypatch):
    def fail(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(ZeroDivisionError):
        cli.run([])


def test_main_exits_with_the_code(monkeypatch):
    monkeypatch.setattr(cli, "run", lambda _: 2)
    with pytest.raises(SystemExit) as ended:
        cli.main(["status"])
    assert ended.value.code == 2


def test_json_alone_stands_on_standard_output(tmp_path, capsys):
    tiny_workspace.make(tmp_path)
    assert cli.run(["--root", str(tmp_path), "status", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == ""
    assert found["next"] == {"step": "PLAN", "why": "choose the batch of round 1 of at most 2", "round_no": 1}
    cap = found["money"].pop("cap_micros")
    month = {"cap_month_micros": None, "left_month_micros": None}
    assert found["money"] == {"currency": "USD", "spent_micros": 0, "reserved_micros": 0, "left_micros": cap} | month
