"""What the files of a workspace say about a round or an item, each hash taken again and compared."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst import artifacts, gitrepo, schemas, versioning
from tailfirst.errors import StaleArtifact, TailfirstError, TaskFolderError
from tailfirst.items import load_items, read_media
from tailfirst.paths import Workspace
from tailfirst.report.history import read_json
from tailfirst.report.words import money as written

__all__ = ["Fact", "written"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One node of the tree; `matches`: the bytes are those that were recorded (None: nothing to compare)."""

    what: str
    value: str
    matches: bool | None = None
    below: tuple["Fact", ...] = ()


def items_like(ws: Workspace, start: str) -> tuple[str, ...]:
    """Ids of the items that begin so; the exact one alone where it exists."""
    ids = schemas.read(ws.items, schemas.ITEMS)["item_id"]
    found = ids.filter(pc.starts_with(ids, start)).to_pylist()
    return (start,) if start in found else tuple(found)


def an_item(ws: Workspace) -> str:
    """Any item id, to show what they look like."""
    ids = schemas.read(ws.items, schemas.ITEMS)["item_id"]
    return str(ids[0].as_py()) if len(ids) else "none: items.parquet is empty"


def item(ws: Workspace, item_id: str) -> tuple[Fact, ...]:
    """What items.parquet records about an item, its bytes compared."""
    row = load_items(ws).take([item_id])
    value = row.to_pylist()[0]
    return (
        Fact("bytes", f"{_place(value)}, sha256 {value['sha256']}", _bytes_match(ws, row)),
        Fact("role", value["role"]),
        Fact("source", value["source"] or "not recorded"),
        Fact("licence", value["licence"] or "not recorded"),
    )


def _place(row: Mapping[str, Any]) -> str:
    if row["path"] is not None:
        return f"data/{row['path']}"
    if row["shard"] is not None:
        return f"data/{row['shard']} at byte {row['offset']:,}, {row['length']:,} bytes"
    return "data/items.parquet (text)" if row["text"] is not None else f"data/vectors.npy row {row['vector_row']}"


def _bytes_match(ws: Workspace, row: pa.Table) -> bool | None:
    """Whether an image is still what was recorded; texts and vectors lie in files that DVC hashes as a whole."""
    if row["path"][0].as_py() is None and row["shard"][0].as_py() is None:
        return None
    try:
        read_media(ws, row, "image")
    except (TaskFolderError, StaleArtifact):
        return False
    return True


def report(ws: Workspace, round_no: int) -> Fact:
    """The round's page."""
    path = ws.report / f"round-{round_no:04d}.html"
    if not path.exists():
        return Fact("report", "not built; `tailfirst report` builds it")
    return Fact("report", f"{path.relative_to(ws.root)}, sha256 {artifacts.sha256_file(path)}")


def versions(ws: Workspace, round_no: int) -> tuple[Fact, ...]:
    """The data version in DVC, and the git tag."""
    try:
        data = versioning.data_version(ws)
        dvc = f"data.dvc, md5 {data.md5}, {data.n_files:,} files, {data.size:,} bytes"
    except TailfirstError as error:
        dvc = str(error)
    return Fact("data now", dvc), _tag(ws, f"round-{round_no:04d}")


def _tag(ws: Workspace, tag: str) -> Fact:
    """The git tag of a sealed round, and the data version that it holds."""
    commit = gitrepo.run(ws.root, "rev-parse", "-q", "--verify", f"refs/tags/{tag}^{{commit}}", check=False).stdout
    if not commit:
        return Fact("git tag", f"no tag {tag} (TAILFIRST_GIT_COMMIT=1 makes one per round)")
    held = gitrepo.run(ws.root, "show", f"{tag}:./data.dvc", check=False).stdout
    md5 = next((line.split(":", 1)[1].strip() for line in held.splitlines() if "md5:" in line), "none")
    return Fact("git tag", f"{tag}, commit {commit.strip()}, data md5 {md5}")


def sealed_folder(ws: Workspace, round_no: int, recorded: str | None) -> Fact:
    """The sealed folder: as a whole against the ledger, each file against round.json."""
    folder = ws.sealed(round_no)
    found = artifacts.sha256_tree(folder)
    listed = read_json(folder / "round.json").get("files") or {}
    below = tuple(
        Fact(name, f"sha256 {sha256}", _same(folder / name, sha256)) for name, sha256 in sorted(listed.items())
    )
    where = f"{folder.relative_to(ws.root)}, sha256 {found}"
    return Fact("sealed folder", where, None if recorded is None else found == recorded, below)


def _same(path: Any, sha256: str) -> bool:
    return path.exists() and artifacts.sha256_file(path) == sha256


def same_batch(ws: Workspace, round_no: int, sha256: str) -> bool | None:
    """Whether the sealed batch is the frozen one; None before the seal."""
    path = ws.sealed(round_no) / "batch.parquet"
    return _same(path, sha256) if path.parent.exists() else None


def deliveries(ws: Workspace, round_no: int) -> Fact:
    """The raw deliveries: every body against its recorded hash."""
    rows = delivered(ws, round_no)
    wrong = [row["key"] for row in rows if artifacts.sha256_bytes(body(row)) != row["sha256"]]
    size = sum(len(body(row)) for row in rows)
    said = f"{len(rows)} deliveries, {size:,} raw bytes" + (f"; changed: {', '.join(wrong[:5])}" if wrong else "")
    return Fact("deliveries", said, not wrong)


def delivered(ws: Workspace, round_no: int) -> list[dict[str, Any]]:
    """The lines of deliveries.jsonl.

    Raises:
        TaskFolderError: Missing or unreadable.
    """
    path = ws.sealed(round_no) / "deliveries.jsonl"
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise TaskFolderError(f"{path} cannot be read: {error}; `dvc checkout` restores it") from error


def body(row: Mapping[str, Any]) -> bytes:
    """The vendor's bytes of a delivery line."""
    return str(row["body"]).encode() if "body" in row else base64.b64decode(row["body_base64"])


def raw(vendor_id: str, revision: str, sha256: str, data: bytes) -> Fact:
    """One delivery, its bytes compared with the recorded hash."""
    same = artifacts.sha256_bytes(data) == sha256
    return Fact("delivery", f"{vendor_id}, revision {revision}, {len(data):,} bytes, sha256 {sha256}", same)


def labels(ws: Workspace, round_no: int) -> Fact:
    """The round's labels by purpose."""
    table = schemas.read(ws.sealed(round_no) / "labels.parquet", schemas.LABELS)
    purposes = table["purpose"].to_pylist()
    counts = ", ".join(f"{purposes.count(p)} {p}" for p in sorted(set(purposes)))
    return Fact("labels", f"{len(purposes)}: {counts}" if purposes else "none")


def money(ws: Workspace, round_no: int) -> Fact:
    """What the round cost by kind of line; the total against round.json."""
    record = read_json(ws.sealed(round_no) / "round.json")
    lines = pq.read_table(ws.sealed(round_no) / "costs.parquet").to_pylist()
    total = written(int(record.get("cost_micros") or 0), str(record.get("currency") or ""))
    return Fact("money", total, below=(Fact("cost lines", f"{len(lines)}: {by_kind(lines)}"),))


def by_kind(lines: Sequence[Mapping[str, Any]]) -> str:
    """Amounts per kind of cost line."""
    kinds = sorted({(line["kind"], line["currency"]) for line in lines})
    sums = {k: sum(line["amount_micros"] for line in lines if (line["kind"], line["currency"]) == k) for k in kinds}
    return ", ".join(f"{kind} {written(amount, currency)}" for (kind, currency), amount in sums.items()) or "nothing"


def bought(ws: Workspace, round_no: int, item_id: str) -> Fact | None:
    """What a sealed round holds about an item: why, who answered, the raw bytes, the label, the money."""
    folder = ws.sealed(round_no)
    chosen, answers, accepted = (_rows(folder / f"{n}.parquet", item_id) for n in ("batch", "annotations", "labels"))
    if not (chosen or answers or accepted):
        return None
    keys = {row["key"] for row in answers}
    costs = [row for row in pq.read_table(folder / "costs.parquet").to_pylist() if row["key"] in keys]
    below = (
        *(Fact("chosen", f"rank {row['rank'] + 1}, {row['reason']} ({row['strategy']})") for row in chosen),
        *(
            raw(row["vendor_id"], row["revision"], row["sha256"], body(row))
            for row in delivered(ws, round_no)
            if row["key"] in keys
        ),
        *(Fact("answer", _answer(row)) for row in answers),
        *(Fact("label", f"{row['class_id']} by {row['method']}, {row['purpose']}") for row in accepted),
        Fact("money", by_kind(costs)),
    )
    return Fact("sealed round", f"{round_no}, {folder.relative_to(ws.root)}", below=below)


def _answer(row: Mapping[str, Any]) -> str:
    return f"{row['annotator_id']}: " + (f"skipped ({row['reason']})" if row["skipped"] else row["class_ids"])


def _rows(path: Any, item_id: str) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = pq.read_table(path, filters=[("item_id", "=", item_id)]).to_pylist()
    return rows
