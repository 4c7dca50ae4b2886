"""Imports go one way: flows -> tasks -> tailfirst, which knows no orchestrator and no tracker outside its adapter."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tailfirst"


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def offenders(folder: Path, banned: set[str], allowed: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted(folder.rglob("*.py"))
        if not path.relative_to(SOURCE if folder is SOURCE else folder).as_posix().startswith(allowed or ("\0",))
        for name in imported(path)
        if name.split(".")[0] in banned
    ]


def test_tailfirst_imports_no_orchestrator_and_neither_flows_nor_tasks():
    assert offenders(SOURCE, {"prefect", "flows", "tasks"}) == []


def test_only_the_tracker_imports_mlflow_and_only_versioning_imports_dvc():
    assert offenders(SOURCE, {"mlflow"}, ("trackers/",)) == []
    assert offenders(SOURCE, {"dvc"}, ("versioning",)) == []


def test_tasks_import_no_flow():
    assert offenders(ROOT / "tasks", {"flows"}) == []


def test_contracts_import_nothing_of_the_project_but_errors():
    for name in ("contracts.py", "port.py", "errors.py"):
        ours = [n for n in imported(SOURCE / name) if n.startswith("tailfirst") and n != "tailfirst.errors"]
        assert ours == [], f"{name} imports {ours}"


def test_only_the_simulated_vendor_the_backtest_and_the_intake_know_the_oracle():
    allowed = {"paths.py", "schemas.py", "backtest.py", "vendors/simulated.py", "pipeline.py", "stages.py"}
    allowed |= {"takedown/place_items.py"}  # takes answers of an item out, reads none
    readers = [
        path.relative_to(SOURCE).as_posix()
        for path in sorted(SOURCE.rglob("*.py"))
        if any(
            isinstance(node, ast.Attribute) and node.attr == "oracle"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    ]
    strangers = [r for r in readers if r not in allowed and not r.startswith(("intake/", "demo/", "vendors/_"))]
    assert strangers == []
    assert not any(
        r.startswith(("acquisition/", "adaptation/", "evaluation/", "encoders/", "retrieval/")) for r in readers
    )


def modules() -> list[str]:
    import tailfirst

    found = [m.name for m in pkgutil.walk_packages(tailfirst.__path__, "tailfirst.")]
    return [
        name for name in found if name != "tailfirst.__main__" and not name.startswith("tailfirst.ledger.migrations.")
    ]


@pytest.mark.parametrize("name", [*modules(), "flows.round", "flows.campaign", "flows.ui", "tasks"])
def test_every_module_imports(name):
    assert importlib.import_module(name)


def test_tailfirst_imports_without_its_heavy_packages_and_without_a_network():
    """In a fresh interpreter in which the heavy packages cannot be found and sockets cannot be opened."""
    adapters = ("tailfirst.trackers.mlflow", "tailfirst.trackers._", "tailfirst.versioning")
    light = [name for name in modules() if not name.startswith(adapters)]
    script = (
        "import sys, socket, importlib\n"
        "banned = {'prefect', 'mlflow', 'dvc', 'torch', 'transformers', 'great_expectations', 'faiss', 'sklearn'}\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in banned: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "def refuse(*a, **k): raise OSError('no network at import')\n"
        "socket.socket.connect = refuse\n"
        f"for name in {light!r}:\n"
        "    importlib.import_module(name)\n"
        "print('ok')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.strip() == "ok", done.stderr[-2000:]
