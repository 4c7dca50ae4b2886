"""The fixed top level, and names that cannot be mistaken for somebody else's."""

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP_LEVEL = (
    "pyproject.toml",
    "flows",
    "tasks",
    "data.dvc",
    "dvc.yaml",
    "mlruns",
    "tests",
    "README.md",
    "params.yaml",
    "prefect.yaml",
    "LICENSE",
)


def test_the_fixed_top_level_is_there():
    assert [name for name in TOP_LEVEL if not (ROOT / name).exists()] == []


def test_flows_and_tasks_are_ours():
    for name in ("flows", "tasks"):
        assert Path(importlib.import_module(name).__file__).parent == ROOT / name


def test_no_file_in_flows_or_tasks_shadows_a_module_that_somebody_imports():
    """Prefect puts the folder of a file entrypoint first on sys.path."""
    forbidden = (
        set(sys.stdlib_module_names) | {"flows", "tasks", "tailfirst", "prefect", "mlflow", "dvc", "torch"}
    ) - {"types"}
    names = {path.stem for folder in ("flows", "tasks") for path in (ROOT / folder).glob("*.py")} - {
        "__init__",
        "__main__",
    }
    assert names & forbidden == set()


def test_the_wheel_holds_exactly_tailfirst(tmp_path):
    source = tmp_path / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, tracked.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path / "dist"),
        str(source),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")} == {"tailfirst"}
    for needed in (
        "tailfirst/demo/model/model.safetensors",
        "tailfirst/py.typed",
        "tailfirst/ledger/migrations/env.py",
    ):
        assert needed in names


def test_no_torchvision_beside_the_cpu_build():
    """torchvision from the index breaks transformers beside the CPU build of torch (docs/adr/0002-hand-pins.md)."""
    import importlib.util

    assert importlib.util.find_spec("torchvision") is None
