"""Every test of the conformance kit runs once for each variant of each harness in tests/support/vendors."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tailfirst.port import TaskSpec
from tailfirst.task import Task
from tests.support.vendors import kit as kits
from tests.support.vendors.kit import Kit
from tests.support.vendors.row import ROWS, Row
from tests.support.vendors.world import World, write_folder

FOLDER = Path(kits.__file__).parent
NAMES = sorted(path.stem.removeprefix("harness_") for path in FOLDER.glob("harness_*.py"))
HARNESSES: dict[str, dict[str, Callable[[Path], Kit]]] = {
    name: importlib.import_module(f"tests.support.vendors.harness_{name}").KITS for name in NAMES
}


# Variants that differ only in how orders are made or bytes are written: they run where that matters, others everywhere.
NARROW = {"rest/EMULATED", "rest/NONE", "csv/utf-16 with tabs", "manifest/s3"}
MATTERS = {"test_vendor_kit", "test_rows_creating", "test_rows_workers", "test_rows_content"}
ONCE = {"test_classes_in_mid_round", "test_same_person"}  # about adapters, whatever their variant: the first of each


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kit" in metafunc.fixturenames:
        known = [f"{name}/{variant}" for name, variants in HARNESSES.items() for variant in variants]
        assert set(known) >= NARROW, f"{NARROW - set(known)} is no variant (any more)"
        module = metafunc.module.__name__.rpartition(".")[2]
        wanted = [one for one in known if module in MATTERS or one not in NARROW]
        if module in ONCE:
            wanted = [f"{name}/{next(iter(variants))}" for name, variants in HARNESSES.items()]
        metafunc.parametrize("kit", wanted, indirect=True)


@pytest.fixture
def kit(request: Any, tmp_path: Path) -> Kit:
    name, _, variant = request.param.partition("/")
    write_folder(tmp_path)
    return HARNESSES[name][variant](tmp_path)


@pytest.fixture
def row(request: Any, kit: Kit, tmp_path: Path) -> Row:
    """The row that the test's name tells: test_row_01_create_timeout."""
    found = re.match(r"test_row_(\d\d)_(\w+)", request.node.originalname)
    assert found is not None
    assert found[2] == ROWS[int(found[1])]
    return Row(int(found[1]), kit, World(tmp_path, kit), lambda why: request.node.user_properties.append(("n/a", why)))


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


@pytest.fixture
def row_world(kit: Kit, tmp_path: Path) -> World:
    """A campaign around the vendor under test, for what is no row of the table."""
    return World(tmp_path, kit)
