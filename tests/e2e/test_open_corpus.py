"""docs/how-to/open-corpus.md and docs/runbook/take-down.md, typed as they stand; URLs lead to a server of the test."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes
from tailfirst.paths import Workspace
from tailfirst.retrieval.fetched import segments
from tailfirst.takedowns import Takedowns
from tests.support import docs, image_server
from tests.support.pictures import picture
from tests.support.tiny_clip import make_tiny_clip

REPOSITORY = Path(__file__).parents[2]
COLORS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 220)}
# The command as it is installed, but for the one thing that no option can do: its client may talk to the test's server.
COMMAND = """#!{python}
import sys
sys.path[:0] = [{repository!r}]
from tailfirst import cli
from tailfirst.commands import fetch
from tailfirst.fetching.client import Client
from tailfirst.fetching.guard import PORTS, Guard
guard = Guard(ports=PORTS | {{{port}}}, test_servers=frozenset([("127.0.0.1", {port})]))
fetch.client = lambda ports, max_bytes, time_s: Client(guard)
cli.main()
"""


def save(path: Path, color: tuple[int, int, int], rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = rng.integers(0, 30, size=(40, 40, 3))
    Image.fromarray(np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)).save(path)


def captions(path: Path, server: image_server.Server) -> None:
    """A table as LAION-400M has it."""
    rows = [(f"a red table {n}", f"/image/{n}", "CC0-1.0", "UNLIKELY") for n in range(5)]
    rows += [(f"the green birds {n}", f"/image/{10 + n}", "CC-BY-4.0", "UNLIKELY") for n in range(3)]
    rows += [
        ("a blue boat", "/image/20", "CC0-1.0", "UNLIKELY"),
        ("a red boat", "/image/21", "?", "UNLIKELY"),
        ("a red cat", "/image/22", "CC0-1.0", "NSFW"),
        ("a green cat", "/status/404", "CC0-1.0", "UNLIKELY"),
        ("a blue cat", "/html", "CC0-1.0", "UNLIKELY"),
        ("a red dog", "/to/http://10.0.0.1/secret", "CC0-1.0", "UNLIKELY"),
        ("no colors here", "/image/23", "CC0-1.0", "UNLIKELY"),
    ]
    names = ("TEXT", "URL", "LICENSE", "NSFW")
    table = {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    pq.write_table(pa.table(table | {"URL": [server.url(path) for path in table["URL"]]}), path)


def typed(script: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where it was all typed, what it printed, and the server."""
    folder, rng = tmp_path_factory.mktemp("open"), np.random.default_rng(0)
    with image_server.running() as server:
        for name, color in COLORS.items():
            for i in range(15):
                save(folder / "photos" / f"{name}-{i}.png", color, rng)
            for i in range(6):
                save(folder / "sorted" / name / f"{i}.png", color, rng)
        captions(folder / "laion-part-00000.parquet", server)
        command = folder / "bin" / "tailfirst"
        command.parent.mkdir()
        words = {"python": sys.executable, "repository": str(REPOSITORY), "port": server.port}
        command.write_text(COMMAND.format(**words))
        command.chmod(0o755)
        path = os.pathsep.join([str(command.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
        env = {**os.environ, "MODEL": str(make_tiny_clip(folder / "model")), "PATH": path}
        script = docs.script(REPOSITORY / "docs" / "how-to" / "open-corpus.md")
        # Random weights find all pictures alike: nothing would be left but for this.
        said = typed(script.replace("max_nsfw: 0.3", r"max_nsfw: 0.3\n  max_similarity: 1.0"), folder, env)
        yield folder, said, env, server


def test_what_was_asked_and_what_came(home):
    folder, said, _, server = home
    ws = Workspace(folder / "my-campaign")
    assert not {"/image/21", "/image/22", "/image/23"} & set(server.asked)  # licence, nsfw, no class named
    assert all(count == 1 for count in server.asked.values())
    assert "asked for 5 images" in said
    assert "asked for 7 images" in said
    rows = [row for path in segments(ws) for row in pq.read_table(path, schema=schemas.FETCHED).to_pylist()]
    reasons = {row["reason"] for row in rows if row["status"] != "done"}
    assert reasons == {"status 404", "not sent as an image", "host is not on the public internet"}
    assert sum(pq.read_table(ws.class_counts)["freq"].to_pylist()) == 14 - 1  # all that name a class, fetched or not
    assert "nothing of it is left" in said


def test_what_was_taken_down_is_gone_and_the_rest_is_retrieved(home):
    folder, _, _, _ = home
    ws = Workspace(folder / "my-campaign")
    (sha,) = Takedowns.of(ws).shas
    retrieved = schemas.read(ws.retrieved, schemas.RETRIEVED)
    assert len(retrieved) == 8  # nine came
    assert sha not in retrieved["sha256"].to_pylist()
    assert holders(ws.data, sha) == []
    assert holders(ws.root / ".dvc" / "cache", sha) != []


def test_the_runbook_cleans_the_cache_and_the_remote(home, tmp_path):
    folder, _, env, _ = home
    ws = Workspace(folder / "my-campaign")
    (sha,) = Takedowns.of(ws).shas
    typed(f"dvc remote add -d away {tmp_path / 'away'}\ndvc push", ws.root, env)
    who = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"), "t")
    typed(docs.script(REPOSITORY / "docs" / "runbook" / "take-down.md"), ws.root, env | who)
    assert holders(ws.root / ".dvc" / "cache", sha) == []
    assert holders(tmp_path / "away", sha) == []
    others = {sha256_bytes(picture(number)) for number in (0, 10, 20)} - {sha}
    assert all(holders(tmp_path / "away", other) for other in others)


def holders(folder: Path, sha: str) -> list[Path]:
    """Files below a folder that hold the picture of a hash, or the hash in a table, but the list of take-downs."""
    images = {sha256_bytes(data): data for data in map(picture, range(25))}
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        tables = [pq.read_table(io.BytesIO(data))] if data[:4] == b"PAR1" else []
        values = [v for t in tables if "found" not in t.column_names for c in t.columns for v in c.to_pylist()]
        if images[sha] in data or sha in values or images[sha] in values:
            found.append(path)
    return found
