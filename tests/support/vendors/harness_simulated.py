"""The simulated vendor, in process."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import write_parquet
from tailfirst.config import Settings
from tailfirst.paths import Workspace
from tailfirst.port import LabelVendor
from tailfirst.vendors import simulated
from tailfirst.vendors._simulated_params import IMPLEMENTED, PUSH_FAULTS
from tests.support.vendors.kit import Kit, truth


def make_kit(root: Path, **options: Any) -> Kit:
    ws = Workspace(root)
    rows = [{"item_id": item, "class_id": name} for item, name in truth().items()]
    write_parquet(ws.oracle, pa.Table.from_pylist(rows, schema=schemas.LABELED))

    def make(faults: Sequence[dict[str, Any]]) -> LabelVendor:
        params = simulated.Params.model_validate({**options, "faults": list(faults)})
        return simulated.load(params, ws, Settings(_env_file=None))

    people = {one.id: one.id for one in simulated.Params.model_validate(options).annotators}
    absent = dict.fromkeys(PUSH_FAULTS, "in process nothing is pushed")
    return Kit(make, frozenset(IMPLEMENTED), absent, lambda: people)


KITS: dict[str, Callable[[Path], Kit]] = {
    "NATIVE": make_kit,
    "EMULATED": lambda root: make_kit(root, idempotency="EMULATED"),
    "NONE": lambda root: make_kit(root, idempotency="NONE"),
    "NATIVE_TTL": lambda root: make_kit(root, idempotency="NATIVE_TTL"),
    "small pages": lambda root: make_kit(root, page_size=3, hours_per_poll=6),
}
