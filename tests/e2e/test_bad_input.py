"""Bad input: one clear sentence on stderr, exit code 2, and nothing changed, the ledger included."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from PIL import Image

from tailfirst import cli, schemas
from tailfirst.artifacts import sha256_bytes, sha256_file, write_parquet
from tailfirst.context import NoGates, open_context
from tailfirst.errors import TailfirstError
from tailfirst.labeling import plan, quote
from tailfirst.paths import Workspace
from tests.support import tiny_workspace

SIDECARS = ("-wal", "-shm", "-journal", ".db.lock")
Prepare = Callable[[Workspace], None]


@dataclass(frozen=True)
class Bad:
    """A mistake: how it comes about, what is typed, what must be said."""

    name: str
    typed: list[str]
    said: str
    prepare: Prepare = lambda ws: None
    environment: dict[str, str] = field(default_factory=dict)
    root: str = "workspace"  # workspace: --root is given; nowhere: an empty current folder


def params(**changes) -> Prepare:
    def change(ws):
        ws.params.write_text(yaml.safe_dump(tiny_workspace.params(**changes)))

    return change


def deep(section: str, **options) -> Prepare:
    """Add options to a section of params.yaml, those of its plugin included."""

    def change(ws):
        value = yaml.safe_load(ws.params.read_text())
        value[section] |= options
        ws.params.write_text(yaml.safe_dump(value))

    return change


def write(path: str, text: str | bytes) -> Prepare:
    return lambda ws: (ws.root / path).write_bytes(text if isinstance(text, bytes) else text.encode())


def items(change: Callable[[pa.Table], pa.Table]) -> Prepare:
    return lambda ws: write_parquet(ws.items, change(schemas.read(ws.items, schemas.ITEMS)))


def shard(columns: list[str]) -> Prepare:
    """An open corpus of one row."""
    return lambda ws: write_parquet(ws.open / "part.parquet", pa.table({name: ["x"] for name in columns}))


def texts(ws: Workspace) -> None:
    ws.task.write_text(ws.task.read_text().replace("modality: image", "modality: text"))


def strange_holdout(ws: Workspace) -> None:
    rows = schemas.read(ws.holdout, schemas.LABELED).to_pylist()
    rows[3]["class_id"] = "baobab"
    write_parquet(ws.holdout, pa.Table.from_pylist(rows, schema=schemas.LABELED))


def broken_image(ws: Workspace) -> None:
    rows = schemas.read(ws.items, schemas.ITEMS).to_pylist()
    (ws.data / "images").mkdir()
    (ws.data / "images" / "one.png").write_bytes(b"no picture")
    rows[0] |= {"path": "images/one.png", "vector_row": None}
    write_parquet(ws.items, pa.Table.from_pylist(rows, schema=schemas.ITEMS))


def picture(ws: Workspace) -> None:
    Image.new("RGB", (8, 8)).save(ws.root / "one.png")


def frozen(ws: Workspace) -> None:
    """A round that is SELECTED."""
    pool = [r for r in schemas.read(ws.items, schemas.ITEMS).to_pylist() if r["role"] == "pool"][:4]
    rows = [
        dict.fromkeys(schemas.BATCH.names)
        | {"item_id": r["item_id"], "rank": n, "purpose": "TRAIN", "strategy": "random", "stage": "fill",
           "reason": "random", "item_sha256": r["sha256"]}
        for n, r in enumerate(pool)
    ]  # fmt: skip
    write_parquet(ws.batch, pa.Table.from_pylist(rows, schema=schemas.BATCH))
    with open_context(ws.root, gates=NoGates()) as ctx:
        plan.freeze(ctx)


def quoted(ws: Workspace) -> None:
    """A round that is QUOTED."""
    frozen(ws)
    with open_context(ws.root, gates=NoGates()) as ctx:
        quote.quote(ctx)


INIT = ["init", "--root", "{root}/new", "--holdout-share", "0.3"]
BAD = [
    Bad("no workspace anywhere", ["status"], r"no params\.yaml in .*`tailfirst init`", root="nowhere"),
    Bad("root is no folder", ["--root", "{root}/nothing", "status"], "is not a folder", root="nowhere"),
    Bad("root without params", ["--root", "{root}", "status"], r"holds no params\.yaml", root="nowhere"),
    Bad("misspelt option", ["status"], r"acquisition\.budgt.*known keys here: .*budget", deep("acquisition", budgt=9)),
    Bad("misspelt section", ["plan"], r"acquisitoin.*known keys here: .*acquisition", params(acquisitoin=1)),
    Bad("params is no YAML", ["status"], "not readable YAML", write("params.yaml", "a: [1")),
    Bad("params is a list", ["status"], "must be a mapping", write("params.yaml", "- 1\n- 2\n")),
    Bad("params is empty", ["status"], "must be a mapping", write("params.yaml", "")),
    Bad("unknown strategy", ["plan"], "no 'tail_fist'; known: .*tail_first",
        deep("acquisition", strategy={"plugin": "tail_fist"})),
    Bad("unknown strategy option", ["plan"], r"wieght.*known keys of acquisition\.tail_first",
        deep("acquisition", strategy={"plugin": "tail_first", "wieght": 1})),
    Bad("unknown vendor", ["status"], "vendors: no 'mturk'; known: .*simulated", deep("vendor", plugin="mturk")),
    Bad("budget 0", ["plan"], r"acquisition\.budget: .*greater than or equal to 1.*found 0",
        deep("acquisition", budget=0)),
    Bad("negative cap", ["status"], r"money\.cap_round: .*greater than 0", deep("money", cap_round=-1)),
    Bad("unknown command", ["statsu"], "No such command 'statsu'. Did you mean 'status'"),
    Bad("unknown option", ["status", "--jsn"], r"No such option: --jsn.*--json"),
    Bad("missing argument", ["lineage"], "Missing argument"),
    Bad("no number", ["report", "--round", "two"], "Invalid value for '--round'"),
    Bad("task.yaml is missing", ["status"], r"task\.yaml", lambda ws: ws.task.unlink()),
    Bad("items are missing", ["plan"], r"items\.parquet does not exist", lambda ws: ws.items.unlink()),
    Bad("items of zero bytes", ["plan"], r"items\.parquet is not a readable parquet file \(0 bytes\)",
        write("data/items.parquet", "")),
    Bad("items are no parquet", ["advance"], r"items\.parquet is not a readable parquet file",
        write("data/items.parquet", "item_id,sha256\n1,2\n")),
    Bad("items lack a column", ["plan"], r"items\.parquet lacks role; it has item_id",
        items(lambda t: t.drop(["role"]))),
    Bad("no items at all", ["plan"],
        r"items\.parquet: no item has the role pool", items(lambda t: t.slice(0, 0))),
    Bad("unknown class", ["plan"], r"holdout\.parquet.*baobab", strange_holdout),
    Bad("broken image", ["plan"], r"items\.parquet", broken_image),
    Bad("approve without a round", ["approve", "--by", "maria"], "has no round yet"),
    Bad("approve in the wrong state", ["approve", "--by", "maria"], "round 1 is SELECTED, only a QUOTED round", frozen),
    Bad("approve a negative amount", ["approve", "--by", "maria", "--cap=-5"], "--cap -5 must be above 0", quoted),
    Bad("approve no amount", ["approve", "--by", "maria", "--cap", "plenty"], "'plenty' is not an amount", quoted),
    Bad("approve nothing", ["approve", "--by", "maria", "--cap", "NaN"], "must be above 0", quoted),
    Bad("approve less than a millionth", ["approve", "--by", "maria", "--cap", "0.0000001"], "six decimals", quoted),
    Bad("approve above the cap", ["approve", "--by", "maria", "--cap", "51"],
        r"51\.00 USD must be.*50\.00 USD", quoted),
    Bad("approve by nobody", ["approve", "--by", " "], "needs a name", quoted),
    Bad("report of no round", ["report", "--round", "9"], "round 9 is not sealed.*sealed rounds: none"),
    Bad("lineage of no round", ["lineage", "round-0009"], "there is no round 9; rounds: none yet"),
    Bad("lineage of nothing", ["lineage", "feedfacecafe"], "nothing here is called 'feedfacecafe'"),
    Bad("fetch without an open corpus", ["fetch"], r"data/open holds no parquet shards.*`tailfirst init --open`"),
    Bad("fetch without URLs", ["fetch"], r"a column of URLs \(url, URL, image_url\)", shard(["open_id", "caption"])),
    Bad("fetch from a broken shard", ["fetch"], r"part\.parquet is not a readable parquet file",
        write("data/open/part.parquet", "open_id,url\n1,2\n")),
    Bad("fetch by nobody", ["fetch", "--workers", "0"], "Invalid value for '--workers'"),
    Bad("fetch nothing", ["fetch", "--limit", "0"], "Invalid value for '--limit'"),
    Bad("fetch for no time", ["fetch", "--timeout", "0"], "Invalid value for '--timeout'"),
    Bad("fetch from no port", ["fetch", "--allow-port", "99999"], "Invalid value for '--allow-port'"),
    Bad("fetch in a task of texts", ["fetch"], "reads texts", texts),
    Bad("take down nothing", ["take-down"], "Missing argument"),
    Bad("take down what is not here", ["take-down", "feedfacecafe"], "nothing here is called 'feedfacecafe'.*open id"),
    Bad("take down beside an unreadable table", ["take-down", "0" * 64], r"batch\.parquet cannot be read",
        lambda ws: (ws.work.mkdir(), write("work/batch.parquet", "no table")(ws))),
    Bad("replay of no round", ["replay", "--round", "4"], "4"),
    Bad("pause without a reason", ["pause"], "a pause needs a reason", frozen),
    Bad("resume what runs", ["resume"], "neither paused nor stopped", frozen),
    Bad("ledger on another database", ["status"], "sqlite or postgresql; found 'mysql'",
        environment={"TAILFIRST_LEDGER_URL": "mysql://somebody@somewhere/ledger"}),
    Bad("ledger URL is no URL", ["status"], "not readable", environment={"TAILFIRST_LEDGER_URL": "ledger.db"}),
    Bad("setting of another type", ["status"], "TAILFIRST_GIT_COMMIT",
        environment={"TAILFIRST_GIT_COMMIT": "perhaps"}),
    Bad("init over a workspace", ["init", "--root", "{root}", "--images", "{root}/data"], "exists already"),
    Bad("init with no list of take-downs", [*INIT, "--images", "{root}", "--takedowns", "{root}/none.parquet"],
        r"none\.parquet does not exist", picture, root="nowhere"),
    Bad("init without a source", INIT, "--images", root="nowhere"),
    Bad("init on an empty folder", [*INIT, "--images", "{root}"], "no (image|file)", root="nowhere"),
    Bad("init on no folder", [*INIT, "--images", "{root}/none"], "{root}/none", root="nowhere"),
    Bad("init with a missing column", [*INIT, "--table", "{root}/t.csv", "--text-column", "txt"],
        "txt.*text", write("t.csv", "text,label\na,b\nc,d\n"), root="nowhere"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_input_says_one_sentence_and_changes_nothing(bad, tmp_path, monkeypatch, capsys):
    root = tmp_path / "w"
    root.mkdir()
    ws = tiny_workspace.make(root) if bad.root == "workspace" else Workspace(root)
    bad.prepare(ws)
    monkeypatch.chdir(tmp_path if bad.root == "workspace" else root)
    for name, value in bad.environment.items():
        monkeypatch.setenv(name, value)
    typed = [word.replace("{root}", str(root)) for word in bad.typed]
    opened(root)
    before = contents(tmp_path)
    capsys.readouterr()

    where = ["--root", str(root)] if bad.root == "workspace" and "--root" not in typed else []
    code = cli.run([*where, *typed])

    out, err = (text.strip() for text in capsys.readouterr())
    assert code == 2, err
    assert re.search(bad.said.replace("{root}", str(root)), err), err
    assert err.startswith("tailfirst: ")
    assert "\n" not in err, err
    assert "Traceback" not in err + out
    assert contents(tmp_path) == before


def test_a_broken_image_is_named(tmp_path, capsys):
    ws = tiny_workspace.make(tmp_path)
    broken_image(ws)
    assert cli.run(["--root", str(tmp_path), "plan"]) == 2
    item = schemas.read(ws.items, schemas.ITEMS)["item_id"][0].as_py()
    assert item in capsys.readouterr().err


def test_init_names_the_images_that_it_cannot_read(tmp_path, capsys):
    folder = tmp_path / "pictures"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number * 40, 10, len(name) * 60 + ord(name[0]))).save(
                folder / name / f"{number}.png"
            )
    (folder / "cat" / "broken.png").write_bytes(b"no picture")
    typed = ["init", "--root", str(tmp_path / "new"), "--images", str(folder), "--labels-from-folders"]
    assert cli.run([*typed, "--holdout-share", "0.4"]) == 2
    err = capsys.readouterr().err
    assert "broken.png" in err
    assert not (tmp_path / "new" / "data").exists()


def opened(root: Path) -> None:
    """Opening a workspace makes its ledger and writes there the cap of params.yaml: that alone is no change."""
    with suppress(TailfirstError, ValueError), open_context(root, gates=NoGates()):
        pass


def contents(root: Path) -> dict[str, str]:
    """Every file below a folder by its bytes; databases by their rows; empty folders and DVC's scratch do not count."""
    found = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        if name.endswith(SIDECARS) or "/.dvc/tmp/" in f"/{name}":
            continue
        if path.suffix == ".db":
            rows = database(path)
            if rows:
                found[name] = sha256_bytes("\n".join(rows).encode())
        else:
            found[name] = sha256_file(path)
    return found


def database(path: Path) -> list[str]:
    """The rows of a database as text, whatever its tables; a fresh schema counts as nothing."""
    connection = sqlite3.connect(path)
    try:
        lines = list(connection.iterdump())
    finally:
        connection.close()
    return [line for line in lines if line.startswith("INSERT INTO") and "alembic_version" not in line]
