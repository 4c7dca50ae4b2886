"""What annotators at a real Label Studio server see of images, and what they must not see."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tailfirst.errors import ConfigError
from tailfirst.paths import Workspace
from tailfirst.task import save_task
from tests.support import label_studio
from tests.support.label_studio_desk import TASK, order, specs, vendor, write_items

pytestmark = pytest.mark.label_studio


@pytest.fixture
def pictures(tmp_path: Path, empty_server: None) -> Callable[[Path], Workspace]:
    def make(root: Path) -> Workspace:
        found = Workspace(root)
        save_task(replace(TASK, modality="image"), found.task)
        (found.data / "images").mkdir(parents=True)
        names = []
        for n, kind in enumerate(("PNG", "JPEG")):
            names.append(f"images/an owl {n}.{kind.lower()}")
            data = io.BytesIO()
            Image.new("RGB", (8, 8), (40 * n, 90, 10)).save(data, kind)
            (found.data / names[-1]).write_bytes(data.getvalue())
        write_items(found, names, "path")
        return found

    return make


def test_local_files_are_shown_to_annotators_and_nothing_else(pictures: Any) -> None:
    server = label_studio.server()
    ws = pictures(server.files / "w1")
    made = vendor(ws, images="local_files", document_root=str(server.files))
    batch = order(made)
    assert batch == order(made)  # no second storage
    made.submit(batch, specs(ws))
    url = label_studio.tasks(int(batch.vendor_id))[0]["data"]["image"]
    anna = label_studio.person("anna").http
    assert anna.get(url).content == (ws.data / "images" / "an owl 0.png").read_bytes()
    assert anna.get(url.replace("images/an%20owl%200.png", "items.parquet")).status_code == 404
    assert httpx.get(server.url + url, trust_env=False).status_code == 401
    with pytest.raises(ConfigError, match="document_root"):
        order(vendor(ws, images="local_files", document_root=str(ws.data / "images")))


def test_small_images_travel_inside_the_task(pictures: Any, tmp_path: Path) -> None:
    ws = pictures(tmp_path / "w2")
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws))
    found = [task["data"]["image"].partition(";")[0] for task in label_studio.tasks(int(batch.vendor_id))]
    assert found == ["data:image/png", "data:image/jpeg"]
    small = vendor(ws, inline_max_bytes=80)
    refused = [
        o.reason
        for o in small.submit(batch, [replace(s, key=s.key[:-1] + "x") for s in specs(ws)]).outcomes
        if o.reason
    ]
    assert any("inline_max_bytes is 80" in why for why in refused)
