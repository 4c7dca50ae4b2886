"""A workspace of eight texts, and the Label Studio adapter on the tests' own server, for tests of the adapter alone."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes, write_parquet
from tailfirst.config import Settings
from tailfirst.items import item_id
from tailfirst.labeling.keys import batch_key, payload_sha256, submission_key
from tailfirst.paths import Workspace
from tailfirst.port import BatchRef, BatchSpec, Money, ProjectSpec, TaskSpec
from tailfirst.task import ClassDef, Task
from tailfirst.vendors import label_studio as adapter
from tests.support import label_studio

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TASK = Task("birds", "text", "1", (ClassDef("heron", "Grey heron"), ClassDef("owl", "owl")), ("{}",))


def write_items(ws: Workspace, values: list[Any], column: str) -> None:
    datas = [v.encode() if column == "text" else (ws.data / v).read_bytes() for v in values]
    rows = [
        {"item_id": item_id(sha256_bytes(d)), "sha256": sha256_bytes(d), "role": "pool", column: v, "source": "test"}
        for v, d in zip(values, datas, strict=True)
    ]
    write_parquet(ws.items, pa.Table.from_pylist(rows, schema=schemas.ITEMS))


def specs(ws: Workspace, **changes: Any) -> list[TaskSpec]:
    return [
        TaskSpec(
            key=submission_key("birds", "1", row["sha256"], "TRAIN", 1, 0),
            item_id=row["item_id"],
            item_digest=row["sha256"],
            asset_url=f"item:{row['item_id']}",
            asset_expires_at=NOW,
            purpose="TRAIN",
            attempt=1,
            overlap_slot=0,
            payload_sha256=payload_sha256(row["item_id"], row["sha256"], "TRAIN", 1, 0),
            **{"prelabel": None, **changes},
        )
        for row in schemas.read(ws.items, schemas.ITEMS).to_pylist()
    ]


def vendor(ws: Workspace, token: str | None = None, **options: Any) -> adapter.LabelStudioVendor:
    server = label_studio.server()
    settings = Settings(
        _env_file=None,
        label_studio_url=server.url,
        label_studio_token=token or server.account.token,
        webhook_secrets="hush",
    )
    return adapter.load(adapter.Params.model_validate({"overlap_s": 0, **options}), ws, settings)


def order(made: adapter.LabelStudioVendor, overlap: int = 1) -> BatchRef:
    digest = made.task.digest
    project = made.ensure_project(ProjectSpec("birds", "1", digest, digest, "PUBLIC"))
    key = batch_key("birds", 1, "TRAIN")
    return made.open_batch(BatchSpec(key, project, 1, "TRAIN", 8, overlap, NOW, Money(10**9, "USD")))


def ids(batch: BatchRef) -> list[int]:
    return [task["id"] for task in label_studio.tasks(int(batch.vendor_id))]


def kinds(made: adapter.LabelStudioVendor, batch: BatchRef, cursor: Any = None) -> tuple[dict[int, str], Any]:
    """Kind of the event per task number, of one whole walk; and where the next one begins."""
    found: dict[int, str] = {}
    while True:
        page = made.changes(batch, cursor)
        found |= {int(e.vendor_id.partition("-")[2]): e.kind for e in page.rows}
        cursor = page.next_cursor
        if not page.more:
            return found, cursor
