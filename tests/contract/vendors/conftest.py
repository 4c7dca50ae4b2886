"""Every test of the conformance kit runs once for each variant of each harness in tests/support/vendors."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tailfirst.port import TaskSpec
from tailfirst.task import Task
from tests.support.vendors import kit as kits
from tests.support.vendors.kit import Kit

FOLDER = Path(kits.__file__).parent
NAMES = sorted(path.stem.removeprefix("harness_") for path in FOLDER.glob("harness_*.py"))
HARNESSES: dict[str, dict[str, Callable[[Path], Kit]]] = {
    name: importlib.import_module(f"tests.support.vendors.harness_{name}").KITS for name in NAMES
}


@pytest.fixture(params=[f"{name}/{variant}" for name, variants in HARNESSES.items() for variant in variants])
def kit(request: Any, tmp_path: Path) -> Kit:
    name, _, variant = request.param.partition("/")
    return HARNESSES[name][variant](tmp_path)


@pytest.fixture
def harnesses() -> dict[str, dict[str, Callable[[Path], Kit]]]:
    return HARNESSES


@pytest.fixture
def items() -> list[TaskSpec]:
    return [kits.spec(n) for n in range(10)]


@pytest.fixture
def make_spec() -> Callable[..., TaskSpec]:
    return kits.spec


@pytest.fixture
def ontology() -> Task:
    return kits.ONTOLOGY
