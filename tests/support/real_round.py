"""`python -m tests.support.real_round --root build/real-round`: the round whose pictures stand in docs/label-studio.

Ninety-six of the demo's drawings as a folder of photos, six classes, a real Label Studio, a real browser: from
`tailfirst init` to the sealed round. Anna answers three items at the screen, Bert the others through the API; he is
unsure about the last one.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from PIL import Image

from tailfirst.artifacts import sha256_file
from tailfirst.demo import make as demo
from tailfirst.items import item_id, load_items, read_media
from tailfirst.paths import Workspace
from tests.support import label_studio
from tests.support.annotator import at_the_screen

CLASSES = ("owl", "penguin", "teapot", "mug", "lighthouse", "sailboat")
PICTURES = Path(__file__).parents[2] / "docs" / "label-studio"
MODEL = Path(demo.__file__).parent / "model"
AT_THE_SCREEN = 3


def photos(drawn: Workspace, out: Path, per_class: int = 16, measured: int = 12) -> dict[str, str]:
    """Write the drawings, five times as large; returns the class by the item id that each photo will get."""
    items, truth = load_items(drawn), {}
    for folder, path, most, pool in (
        ("photos", drawn.oracle, per_class, True),
        ("sorted", drawn.holdout, measured, False),
    ):
        left = dict.fromkeys(CLASSES, most)
        known = dict(zip(*pq.read_table(path).select(["item_id", "class_id"]).to_pydict().values(), strict=True))
        for row, is_pool in zip(items.table.to_pylist(), items.is_pool, strict=True):
            name = known.get(row["item_id"], "")
            if is_pool != pool or not left.get(name):
                continue
            left[name] -= 1
            place = out / folder / ("" if pool else name) / f"{row['item_id']}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            image = Image.open(io.BytesIO(read_media(drawn, items.take([row["item_id"]]), "image")[0].data or b""))
            image.resize((image.width * 5, image.height * 5), Image.Resampling.NEAREST).save(place)
            truth[item_id(sha256_file(place))] = name
    (out / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return truth


def tailfirst(root: Path, *arguments: str) -> None:
    """Type a command, and show what it says."""
    sys.stdout.write(f"$ tailfirst {' '.join(arguments)}\n")
    sys.stdout.flush()
    server = label_studio.server()
    secret = {"TAILFIRST_LABEL_STUDIO_TOKEN": server.account.token, "TAILFIRST_LABEL_STUDIO_URL": server.url}
    program = Path(sys.executable).with_name("tailfirst")
    subprocess.run([program, *arguments], cwd=root, env={**os.environ, **secret}, check=True)


def configure(ws: Workspace, drawn: Workspace) -> None:
    """The model, the vendor and the definitions."""
    params = yaml.safe_load(ws.params.read_text())
    params["encoder"]["model"] = str(MODEL)
    params["acquisition"]["budget"], params["round"]["overlap"] = 12, 1
    root = str(label_studio.server().files)
    params["vendor"] = {
        "plugin": "label_studio",
        "images": "local_files",
        "document_root": root,
        "price_micros": 50_000,
    }
    ws.params.write_text(yaml.safe_dump(params, sort_keys=False))
    known = {one["id"]: one for one in yaml.safe_load(drawn.task.read_text())["classes"]}
    task = yaml.safe_load(ws.task.read_text())
    task["classes"] = [known[one["id"]] for one in task["classes"]]
    ws.task.write_text(yaml.safe_dump(task, sort_keys=False))


def label(project: int, ws: Workspace, truth: dict[str, str]) -> None:
    """Two people at work; takes the pictures."""
    anna, bert = label_studio.person("anna"), label_studio.person("bert")
    ids = {row["path"]: row["item_id"] for row in load_items(ws).table.to_pylist()}
    tasks = label_studio.tasks(project)
    right = [truth[ids["images/" + task["data"]["image"].rpartition("/images/")[2]]] for task in tasks]
    with at_the_screen(label_studio.server().url, anna.email, anna.password) as screen:
        screen.begin(project, picture=PICTURES / "instructions.png")
        for n in range(AT_THE_SCREEN):
            screen.page.wait_for_load_state("networkidle")
            screen.choose(right[n])
            if n == 0:
                screen.page.screenshot(path=PICTURES / "annotator.png")
            screen.submit()
        for task, name in zip(tasks[AT_THE_SCREEN:], [*right[AT_THE_SCREEN:-1], "tf:unsure"], strict=True):
            bert.label(task["id"], name)
        screen.page.goto(f"{screen.url}/projects/{project}/data")
        screen.page.get_by_text(f"Submitted annotations: {len(tasks)}").wait_for()
        screen.page.wait_for_load_state("networkidle")
        screen.page.screenshot(path=PICTURES / "tasks.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("build/real-round"), help="drawings and photos; is emptied")
    root = parser.parse_args().root.absolute()
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    drawn = Workspace(root / "drawn")
    subprocess.run([sys.executable, "-m", "tailfirst.demo.make", "--root", drawn.root], check=True)
    truth = photos(drawn, root)
    ws = Workspace(label_studio.server().files / "owls")  # the server shows files below its own folder only
    try:
        given = ("--images", "photos", "--classes", "classes.txt", "--holdout-images", "sorted", "--licence", "CC0-1.0")
        tailfirst(root, "init", "--root", str(ws.root), "--name", "owls", *given)
        configure(ws, drawn)
        for arguments in (("plan",), ("advance",), ("advance",), ("approve", "--by", "owner"), ("advance",)):
            tailfirst(ws.root, *arguments)
        with label_studio.client() as http:
            project = http.get("/api/projects").raise_for_status().json()["results"][0]["id"]
        label(project, ws, truth)
        tailfirst(ws.root, "advance", "--all")
        tailfirst(ws.root, "status")
        shutil.copytree(ws.sealed(1), root / "sealed")
    finally:
        label_studio.stop()


if __name__ == "__main__":
    main()
