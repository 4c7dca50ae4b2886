"""Tables as the suites see them: what needs several tables becomes one column of words (pure, arrow and NumPy)."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst import schemas
from tailfirst.errors import TaskFolderError
from tailfirst.ontology.tables import read_known
from tailfirst.paths import Workspace

if TYPE_CHECKING:
    import pandas as pd

BLOCK_ROWS = 65_536
ENDED = "\n"  # no class id: it cannot be printed
CLOCK_SKEW = timedelta(minutes=5)  # a vendor's clock may run ahead of ours


def items(ws: Workspace, class_ids: Collection[str]) -> pa.Table:
    """items.parquet with `id_of_bytes`, `places` and `answer` (pool | labeled | unlabeled | outside the ontology)."""
    table = schemas.read(ws.items, schemas.ITEMS)
    places = pa.array(np.zeros(table.num_rows, np.int64))
    for name in ("path", "shard", "text"):
        places = pc.add(places, pc.cast(pc.is_valid(table[name]), pa.int64()))
    # A vector may stand beside the image or text that it was made of; alone it is the item.
    alone = pc.and_(pc.equal(places, 0), pc.is_valid(table["vector_row"]))
    places = pc.add(places, pc.cast(alone, pa.int64()))
    answers = _holdout(ws)
    row = pc.index_in(table["item_id"], value_set=answers["item_id"].combine_chunks())
    given = answers["class_id"].combine_chunks().take(row.combine_chunks())
    known = pc.is_in(given, value_set=pa.array([*class_ids, ENDED], pa.string()))
    answer = pc.if_else(pc.is_null(given), "unlabeled", pc.if_else(known, "labeled", "outside the ontology"))
    answer = pc.if_else(pc.equal(table["role"], "pool"), "pool", answer)
    table = table.append_column(
        "id_of_bytes", pc.equal(table["item_id"], pc.utf8_slice_codeunits(table["sha256"], 0, 20))
    )
    return table.append_column("places", places).append_column("answer", answer).drop_columns(["text"])


def _holdout(ws: Workspace) -> pa.Table:
    """Holdout answers in the classes of today; an ended class stands as ENDED, its item has an answer all the same."""
    if not ws.holdout.exists():
        return schemas.LABELED.empty_table()
    given, now = schemas.read(ws.holdout, schemas.LABELED), read_known(ws, ws.holdout, schemas.LABELED)
    gone = given.filter(pc.invert(pc.is_in(given["item_id"], value_set=now["item_id"].combine_chunks())))
    ended = pa.table({"item_id": gone["item_id"], "class_id": pa.array([ENDED] * len(gone), pa.string())})
    return pa.concat_tables([now, ended.cast(schemas.LABELED)])


def retrieved(ws: Workspace) -> pa.Table:
    """retrieved.parquet with `leak`: none | pool | holdout, by the bytes' sha256."""
    table = schemas.read(ws.retrieved, schemas.RETRIEVED)
    known = schemas.read(ws.items, schemas.ITEMS).select(["sha256", "role"])
    row = pc.index_in(table["sha256"], value_set=known["sha256"].combine_chunks(), skip_nulls=True)
    role = known["role"].combine_chunks().take(row.combine_chunks())
    return table.append_column("leak", pc.fill_null(role, "none"))


def embeddings(ws: Workspace) -> tuple[pa.Table, Mapping[str, Any], int]:
    """One row per block of the matrix, the manifest, and how many items there must be.

    Raises:
        TaskFolderError: The folder lacks a file or the manifest is not readable.
    """
    folder = ws.embeddings
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        matrix = np.load(folder / "items.npy", mmap_mode="r", allow_pickle=False)
        have = pq.read_table(folder / "items.parquet", columns=["item_id", "role"])
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise TaskFolderError(f"{folder} cannot be read: {error}; `dvc repro embed` makes it again") from error
    want = schemas.read(ws.items, schemas.ITEMS).select(["item_id", "role"])
    rows = []
    for block, start in enumerate(range(0, max(len(matrix), have.num_rows), BLOCK_ROWS)):
        part = np.asarray(matrix[start : start + BLOCK_ROWS], dtype=np.float32)
        norms = np.linalg.norm(part, axis=1)
        ours, theirs = have.slice(start, len(part)), want.slice(start, len(part))
        rows.append({
            "block": block, "rows": len(part), "dim": matrix.shape[1], "finite": bool(np.isfinite(part).all()),
            "norm_low": float(norms.min(initial=np.inf)), "norm_high": float(norms.max(initial=-np.inf)),
            "ids_agree": ours.num_rows == len(part) and ours.equals(theirs.cast(ours.schema)),
            "encoder": str(manifest.get("encoder", "")),
        })  # fmt: skip
    return pa.Table.from_pylist(rows), manifest, want.num_rows


def batch(
    frame: "pd.DataFrame",
    ws: Workspace,
    labeled: Collection[str],
    in_flight: Collection[str],
    ignored: Collection[str],
) -> "pd.DataFrame":
    """A batch with `standing` (eligible, or why not), `is_audit`, `is_control`, `audit_agrees` and `random_known`."""
    known = schemas.read(ws.items, schemas.ITEMS)
    row = pc.index_in(pa.array(frame["item_id"], pa.string()), value_set=known["item_id"].combine_chunks())
    role = known["role"].combine_chunks().take(row).to_pylist()
    digest = known["sha256"].combine_chunks().take(row).to_pylist()
    asked = frame["item_sha256"].tolist()
    verdicts = []
    for item, kind, sha256, want in zip(frame["item_id"], role, digest, asked, strict=True):
        changed = isinstance(want, str) and want != sha256
        reasons = {
            "unknown": kind is None,
            "holdout": kind == "holdout",
            "changed": changed,
            "labeled": item in labeled,
            "in flight": item in in_flight,
            "ignored": item in ignored,
        }
        verdicts.append(next((why for why, wrong in reasons.items() if wrong), "eligible"))
    audit, control = frame["stage"] == "audit", frame["stage"] == "control"
    return frame.assign(
        standing=verdicts,
        is_audit=audit.astype("int64"),
        is_control=control.astype("int64"),
        audit_agrees=audit == (frame["purpose"] == "AUDIT"),
        random_known=~(audit | control) | frame["inclusion_probability"].notna(),
    )


def deliveries(
    frame: "pd.DataFrame", sent_at: Mapping[str, datetime | None], class_ids: Collection[str], now: datetime
) -> "pd.DataFrame":
    """Annotations with `submitted`, `answer` (class | skipped | outside the ontology), `in_time` and `repeated`.

    Needs the columns key, annotator_id, class_ids (a list) or class_id, skipped and submitted_at; `work_s` is optional.
    """
    classes = (
        frame["class_ids"]
        if "class_ids" in frame
        else frame["class_id"].map(lambda c: [c] if isinstance(c, str) else [])
    )
    skipped = frame["skipped"] if "skipped" in frame else classes.map(len) == 0
    answers = [
        "skipped" if skip else "class" if len(given) and set(given) <= set(class_ids) else "outside the ontology"
        for skip, given in zip(skipped, classes, strict=True)
    ]
    times = zip(frame["key"], frame["submitted_at"], strict=True)
    columns: dict[str, Any] = {
        "submitted": frame["key"].isin(list(sent_at)),
        "answer": answers,
        "in_time": [_in_time(at, sent_at.get(key), now) for key, at in times],
        "repeated": frame.duplicated(["key", "annotator_id"], keep="first"),
    }
    found = frame.drop(columns=[name for name in ("class_ids", "class_id") if name in frame]).assign(**columns)
    return found if "work_s" in found else found.assign(work_s=np.nan)


def _in_time(at: Any, sent: datetime | None, now: datetime) -> bool:
    if at is None or at != at:  # noqa: PLR0124 - NaT is the only value that differs from itself
        return True  # not every vendor says when
    moment = at.to_pydatetime() if hasattr(at, "to_pydatetime") else at
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return bool(moment <= now + CLOCK_SKEW and (sent is None or moment >= sent - CLOCK_SKEW))


def labels(
    frame: "pd.DataFrame", ordered: Mapping[str, str], holdout: Collection[str], *, under_cap: bool
) -> "pd.DataFrame":
    """Labels with `ordered` (as ordered | not ordered | another purpose | holdout) and `under_cap`."""
    words = []
    for item, purpose in zip(frame["item_id"], frame["purpose"], strict=True):
        want = ordered.get(item)
        wrong = "holdout" if item in holdout else "not ordered" if want is None else "another purpose"
        words.append("as ordered" if item not in holdout and want == purpose else wrong)
    return frame.assign(ordered=words, under_cap=under_cap)
