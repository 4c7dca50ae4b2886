"""Where stages wrote: retrieved rows, embeddings, predictions, batches, the vector cache and the report's pages."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tailfirst import artifacts
from tailfirst.paths import Workspace
from tailfirst.takedown import rows
from tailfirst.takedown.rows import Names
from tailfirst.takedown.targets import Targets

SPAN = 65_536  # rows copied at a time
CARD = re.compile(rb'<li class="card"><div class="look">.*?</li>', re.DOTALL)  # of report/round.html
LOOK = re.compile(rb'(?<=<div class="look">).*?(?=</div>)', re.DOTALL)
NOTHING = b'<span class="none">taken down</span>'
ALIGNED = ("predictions.npy", "features.npy")  # of a candidate: rows as in work/embeddings
# Temporaries of `artifacts` whose process was killed: `.name.parquet.k3x_9w0a.parquet`, folders `.name.k3x_9w0a`.
HALF_FILE = re.compile(r"^\..+(\.[a-z]+)\.[a-z0-9_]{8}\1$")
HALF_FOLDER = re.compile(r"^\..+\.[a-z0-9_]{8}$")


def count_retrieved(ws: Workspace, targets: Targets) -> int:
    """Rows of work/retrieved.parquet."""
    return rows.count(ws.retrieved, _open(targets))


def drop_retrieved(ws: Workspace, targets: Targets) -> None:
    """Rows leave work/retrieved.parquet."""
    rows.drop(ws.retrieved, _open(targets))


def count_embeddings(ws: Workspace, targets: Targets) -> int:
    """Vectors in work/embeddings."""
    items = rows.count(ws.embeddings / "items.parquet", {"item_id": targets.item_ids})
    return items + rows.count(ws.embeddings / "open.parquet", {"open_id": targets.open_ids})


def drop_embeddings(ws: Workspace, targets: Targets) -> None:
    """Vectors leave work/embeddings, and with them the rows of candidates' matrices, which lie in the same order."""
    if not count_embeddings(ws, targets):
        return
    kept = {
        "items": _kept(ws.embeddings / "items.parquet", {"item_id": targets.item_ids}),
        "open": _kept(ws.embeddings / "open.parquet", {"open_id": targets.open_ids}),
    }
    for path in sorted(path for name in ALIGNED for path in ws.candidate("").glob(f"*/{name}")):
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        if len(matrix) == len(kept["items"]):  # else of other embeddings, or taken care of before a kill
            _write_rows(path, matrix, kept["items"])
    with artifacts.atomic_folder(ws.embeddings) as folder:
        shutil.copytree(ws.embeddings, folder, dirs_exist_ok=True)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for what, keep in kept.items():
            _write_rows(folder / f"{what}.npy", np.load(folder / f"{what}.npy", mmap_mode="r"), keep)
            table = pq.read_table(folder / f"{what}.parquet")
            artifacts.write_parquet(folder / f"{what}.parquet", table.filter(keep))
            manifest[what] = int(keep.sum())
        artifacts.write_json(folder / "manifest.json", manifest)


def count_choices(ws: Workspace, targets: Targets) -> int:
    """Rows of the batch and of the candidates' answers on the holdout."""
    return sum(rows.count(path, _items(targets)) for path in _choices(ws))


def drop_choices(ws: Workspace, targets: Targets) -> None:
    """Rows leave the batch and the candidates' answers on the holdout."""
    for path in _choices(ws):
        rows.drop(path, _items(targets))


def count_cached(ws: Workspace, targets: Targets) -> int:
    """Vectors in the cache, of any encoder, and matrices of which nobody knows what they hold."""
    strays = sum(1 for _ in _strays(ws))
    return strays + sum(rows.count(path, _contents(targets)) for path in _segments(ws))


def drop_cached(ws: Workspace, targets: Targets) -> None:
    """Segments of the cache are written again without the vectors, under the name of what they then hold."""
    for path in list(_segments(ws)):
        if rows.count(path, _contents(targets)):
            _rewrite_segment(path, targets)
    for path in list(_strays(ws)):
        path.unlink()


def count_passing(ws: Workspace, targets: Targets) -> int:
    """Rows in answers kept by open shard (state/cache/retrieval), and files of unfinished fits (state/cache/fits).

    Nobody knows what a fit has seen, so that all count.
    """
    kept = sorted((ws.cache / "retrieval").rglob("*.parquet"))
    return sum(rows.count(path, _open(targets)) for path in kept) + _n_files(ws.cache / "fits")


def drop_passing(ws: Workspace, targets: Targets) -> None:
    """Answers that name it are removed, and all unfinished fits: both are only there to save time."""
    for path in sorted((ws.cache / "retrieval").rglob("*.parquet")):
        if rows.count(path, _open(targets)):
            path.unlink()
    shutil.rmtree(ws.cache / "fits", ignore_errors=True)


def count_pages(ws: Workspace, targets: Targets) -> int:
    """Pictures and texts on the report's pages, in work/report and where MLflow keeps copies."""
    return sum(len(_shown(path.read_bytes(), targets)) for path in _pages(ws))


def drop_pages(ws: Workspace, targets: Targets) -> None:
    """Put words in the place of pictures and texts; ids and labels stay, as in the sealed round."""
    for path in _pages(ws):
        text = path.read_bytes()
        shown = _shown(text, targets)
        for card in shown:
            text = text.replace(card, LOOK.sub(NOTHING, card, count=1))
        if shown:
            artifacts.write_bytes(path, text)


def count_half_written(ws: Workspace, _: Targets) -> int:
    """Temporary files of killed processes."""
    return len(_half_written(ws))


def drop_half_written(ws: Workspace, _: Targets) -> None:
    """Remove them."""
    for path in _half_written(ws):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _n_files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def _open(targets: Targets) -> Names:
    return {"open_id": targets.open_ids, "sha256": targets.shas}


def _items(targets: Targets) -> Names:
    return {"item_id": targets.item_ids, "item_sha256": targets.shas}


def _contents(targets: Targets) -> Names:
    return {"sha256": targets.shas | targets.captions}


def _choices(ws: Workspace) -> list[Path]:
    return [ws.batch, *sorted(ws.candidate("").glob("*/holdout.parquet"))]


def _kept(path: Path, names: Names) -> NDArray[np.bool_]:
    mask = pc.invert(rows.named(pq.read_table(path), names))
    kept: NDArray[np.bool_] = np.asarray(mask.to_numpy(zero_copy_only=False) if len(mask) else [], dtype=np.bool_)
    return kept


def _write_rows(path: Path, matrix: NDArray[Any], keep: NDArray[np.bool_]) -> None:
    """Some rows of a matrix as a file, never as a whole in memory."""
    shape = (int(keep.sum()), *matrix.shape[1:])
    with artifacts.atomic_file(path) as temporary:
        if 0 in shape:  # an empty file cannot be mapped
            artifacts.write_array(temporary, np.empty(shape, matrix.dtype))
            return
        out, at = np.lib.format.open_memmap(temporary, "w+", matrix.dtype, shape), 0
        for start in range(0, len(matrix), SPAN):
            part = matrix[start : start + SPAN][keep[start : start + SPAN]]
            out[at : at + len(part)] = part
            at += len(part)
        out.flush()


def _segments(ws: Workspace) -> Iterator[Path]:
    yield from sorted((ws.cache / "embeddings").glob("*/seg-*.parquet"))


def _strays(ws: Workspace) -> Iterator[Path]:
    for path in sorted((ws.cache / "embeddings").glob("*/seg-*.npy")):
        if not path.with_suffix(".parquet").exists():
            yield path


def _rewrite_segment(path: Path, targets: Targets) -> None:
    matrix, table = np.load(path.with_suffix(".npy"), mmap_mode="r", allow_pickle=False), pq.read_table(path)
    keep = _kept(path, _contents(targets))
    left = table.filter(keep)
    if len(left) and len(matrix) == len(table):
        name = artifacts.sha256_bytes("".join(map(str, left["kind"].to_pylist() + left["sha256"].to_pylist())).encode())
        stem = path.with_name(f"seg-{name[:16]}")
        _write_rows(stem.with_suffix(".npy"), matrix, keep)
        artifacts.write_parquet(stem.with_suffix(".parquet"), left)
    path.unlink()
    path.with_suffix(".npy").unlink()


def _pages(ws: Workspace) -> list[Path]:
    return [path for folder in (ws.report, ws.mlruns) for path in sorted(folder.rglob("*.html"))]


def _shown(text: bytes, targets: Targets) -> list[bytes]:
    """The cards of a page on which an item that goes can be seen."""
    wanted = [one.encode() for one in sorted(targets.item_ids)]
    return [
        card
        for card in CARD.findall(text)
        if b'class="none"' not in card and any(b"<code>" + one + b"</code>" in card for one in wanted)
    ]


def _half_written(ws: Workspace) -> list[Path]:
    files = [
        path for folder in (ws.data, ws.work, ws.cache) for path in folder.rglob(".*") if HALF_FILE.match(path.name)
    ]
    folders = [path for path in ws.work.rglob(".*") if path.is_dir() and HALF_FOLDER.match(path.name)]
    return sorted([*files, *folders])
