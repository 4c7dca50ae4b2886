"""A workspace in which one picture is everywhere, and a search for it that knows nothing of the take-down's code."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes, write_array, write_json, write_parquet
from tailfirst.embedding.cache import VectorCache
from tailfirst.fetching.spool import Outcome, Spool
from tailfirst.items import sha256_text
from tailfirst.paths import Workspace
from tailfirst.report.media import thumbnail
from tests.support import open_world
from tests.support.open_world import open_row
from tests.support.pictures import picture

FILE, SHARD, FETCHED, UNHASHED, PATH = 0, 5, 50, 51, 52  # pictures that a test takes down, by where they lie
AT = datetime(2026, 1, 1, tzinfo=UTC)
URL = "http://images.example/{}"


def sha(number: int) -> str:
    return sha256_bytes(picture(number))


def item(number: int) -> str:
    return sha(number)[:20]


def row(number: int) -> str:
    """The open id of a row."""
    return f"o{number:019x}"


def make(root: Path) -> Workspace:
    """Items 0 to 5 (4 and 5 in a shard; 2 and 5 holdout), two open shards, fetched images, and what stages write."""
    ws = open_world.write_task(root)
    ws.params.write_text(yaml.safe_dump(open_world.params(candidates={}).model_dump(mode="json")))
    _items(ws)
    _open(ws)
    _fetched(ws)
    _work(ws)
    _cache(ws)
    kept_answers(ws)
    for path in (ws.report / "round-0001.html", ws.mlruns / "artifacts" / "1" / "round-0001.html"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("<ul>\n" + "\n".join(card(number) for number in range(6)) + "\n</ul>\n")
    return ws


def card(number: int) -> str:
    return (
        f'<li class="card"><div class="look"><img src="{thumbnail(picture(number))}" alt="item {item(number)}"></div>\n'
        f"<div>TRAIN\n<code>{item(number)}</code></div></li>"
    )


def _items(ws: Workspace) -> None:
    open_world.write_items(ws, [picture(number) for number in range(6)])
    rows = schemas.read(ws.items, schemas.ITEMS).to_pylist()
    head = b"head" * 128
    (ws.data / "shards").mkdir()
    (ws.data / "shards" / "one.bin").write_bytes(head + picture(4) + picture(5))
    for number, offset in ((4, len(head)), (5, len(head) + len(picture(4)))):
        (ws.data / rows[number]["path"]).unlink()
        rows[number] |= {"path": None, "shard": "shards/one.bin", "offset": offset, "length": len(picture(number))}
    write_parquet(ws.items, pa.Table.from_pylist(rows, schema=schemas.ITEMS))
    for path, numbers in ((ws.oracle, (0, 1, 3, 4)), (ws.holdout, (2, 5))):
        labeled = [{"item_id": item(n), "class_id": "bear"} for n in numbers]
        write_parquet(path, pa.Table.from_pylist(labeled, schema=schemas.LABELED))
    seeds = [{"item_id": item(n), "class_id": "bear", "round_no": 0, "purpose": "SEED"} for n in (0, 1)]
    write_parquet(ws.seed_labels, pa.Table.from_pylist(seeds, schema=schemas.LABELS))
    write_parquet(ws.labels, pa.Table.from_pylist(seeds, schema=schemas.LABELS))
    ws.rounds.mkdir()


def _open(ws: Workspace) -> None:
    (ws.data / "open").mkdir()
    (ws.data / "open" / "there.png").write_bytes(picture(PATH))
    first = [
        open_row(0, "a polar bear", picture(60)),
        open_row(1, "a bear like the item", picture(FILE)),
        open_row(2, "a bear without a hash", picture(UNHASHED)) | {"sha256": None},
        open_row(3, "a bear by its address", url=URL.format(FETCHED)),
        open_row(4, "a bear in a file", path="open/there.png"),
        open_row(5, "a truck", picture(61)),
    ]
    second = [
        open_row(6, "the fetched bear again", picture(FETCHED)),
        open_row(7, "the fetched bear at another address", url=URL.format("again")),
        open_row(8, "a truck by its address", url=URL.format(62)),
    ]
    open_world.write_open(ws, first, second)


def _fetched(ws: Workspace) -> None:
    spool = Spool(ws)
    for name, number in ((str(FETCHED), FETCHED), ("again", FETCHED), ("62", 62)):
        image = picture(number)
        spool.add(
            Outcome(URL.format(name), "done", None, retryable=False, http_status=200, tries=1, at=AT,
                    sha256=sha256_bytes(image), image=image)
        )  # fmt: skip
    spool.close()


def retrieved_numbers() -> dict[int, int]:
    """Open row -> picture."""
    return {0: 60, 2: UNHASHED, 3: FETCHED, 4: PATH, 5: 61}


def _work(ws: Workspace) -> None:
    blank = dict.fromkeys(schemas.RETRIEVED.names)
    rows = [
        blank
        | {"open_id": f"o{n:019x}", "class_id": "bear", "rank": rank, "synonym": "bear", "caption": f"caption {n}",
           "sha256": sha(number), "origin": "retrieved"}
        for rank, (n, number) in enumerate(retrieved_numbers().items())
    ]  # fmt: skip
    write_parquet(ws.retrieved, pa.Table.from_pylist(rows, schema=schemas.RETRIEVED))
    items = schemas.read(ws.items, schemas.ITEMS)
    write_parquet(ws.embeddings / "items.parquet", items.select(["item_id", "role"]))
    opened = {"open_id": [row["open_id"] for row in rows], "class_id": ["bear"] * len(rows)}
    write_parquet(ws.embeddings / "open.parquet", pa.table(opened))
    write_array(ws.embeddings / "items.npy", vectors(range(6)))
    write_array(ws.embeddings / "open.npy", vectors(retrieved_numbers().values()))
    write_json(
        ws.embeddings / "manifest.json",
        {"encoder": "hand:1", "dim": 4, "logit_scale": 1.0, "reads": "image", "items": 6, "open": len(rows),
         "prototypes": False},
    )  # fmt: skip
    write_array(ws.predictions("probe"), vectors(range(6)).astype(np.float32))
    write_array(ws.candidate("probe") / "features.npy", vectors(range(6)))
    predicted = [
        {"item_id": item(n), "class_id": "bear", "predicted": "bear", "probability": 0.5} for n in (2, 5)
    ]  # fmt: skip
    write_parquet(ws.holdout_predictions("probe"), pa.Table.from_pylist(predicted, schema=schemas.HOLDOUT_PREDICTIONS))
    batch = [
        dict.fromkeys(schemas.BATCH.names)
        | {"item_id": item(n), "rank": rank, "purpose": "TRAIN", "strategy": "random", "stage": "fill",
           "reason": "random", "item_sha256": sha(n)}
        for rank, n in enumerate((0, 3, 4))
    ]  # fmt: skip
    write_parquet(ws.batch, pa.Table.from_pylist(batch, schema=schemas.BATCH))


def kept_answers(ws: Workspace) -> None:
    """What a retrieval keeps by open shard, and a fit that did not end."""
    traits = {"open_id": [row(0), row(1)], "sha256": [sha(60), sha(FILE)], "caption": ["a", "b"]}
    write_parquet(ws.cache / "retrieval" / "question" / "shard.parquet", pa.table(traits))
    write_array(ws.cache / "fits" / "probe" / "fit.npy", vectors([FILE]))


def vectors(numbers) -> np.ndarray:
    return np.stack([np.full(4, number + 1) for number in numbers]).astype(np.float16)


def _cache(ws: Workspace) -> None:
    for encoder in ("first", "second"):
        cache = VectorCache(ws.cache / "embeddings" / encoder, 4)
        numbers = [*range(6), FETCHED, UNHASHED, PATH, 60, 61]
        cache.add("image", [sha(n) for n in numbers], vectors(numbers).astype(np.float32))
        cache.add("image", [sha(FILE), sha(SHARD)], vectors([FILE, SHARD]).astype(np.float32))
        captions = ["a bear by its address", "a truck", "a bear without a hash"]
        cache.add("text", [sha256_text(text) for text in captions], vectors(range(3)).astype(np.float32))


def traces(ws: Workspace, number: int, *ids: str) -> list[str]:
    """Every file in which a picture, its hash or one of these ids stands, but the list, the ledger, sealed rounds."""
    image, thumb = picture(number), thumbnail(picture(number)).encode()
    words = {sha(number), item(number), *ids}
    found = []
    for path in sorted(p for p in ws.root.rglob("*") if p.is_file()):
        if path == ws.takedowns or path.is_relative_to(ws.rounds) or path.name.startswith("ledger.db"):
            continue
        data = path.read_bytes()
        if image in data or thumb in data or any(_says(path, image, words)):
            found.append(path.relative_to(ws.root).as_posix())
    return found


def _says(path: Path, image: bytes, words: set[str]) -> Iterator[bool]:
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            for value in column.to_pylist():
                yield value in words or value == image
    elif path.suffix == ".html":
        yield False  # ids stay on pages, pictures do not
    else:
        yield any(word.encode() in path.read_bytes() for word in words)
