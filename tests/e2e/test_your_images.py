"""docs/how-to/your-images.md, typed as it stands, with a CLIP that is saved locally in place of the hub's."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tailfirst.context import open_context
from tailfirst.paths import Workspace
from tests.support import docs
from tests.support.tiny_clip import make_tiny_clip

REPOSITORY = Path(__file__).parents[2]
COLORS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 220)}


def picture(path: Path, color: tuple[int, int, int], rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = rng.integers(0, 30, size=(40, 40, 3))
    Image.fromarray(np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)).save(path)


def test_from_a_folder_to_the_first_planned_round(tmp_path):
    rng = np.random.default_rng(0)
    for name, color in COLORS.items():
        for i in range(15):
            picture(tmp_path / "photos" / f"{name}-{i}.png", color, rng)
        for i in range(6):
            picture(tmp_path / "sorted" / name / f"{i}.png", color, rng)
    (tmp_path / "classes.txt").write_text("\n".join(COLORS) + "\n")
    model = make_tiny_clip(tmp_path / "model")
    env = {**os.environ, "MODEL": str(model), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    script = "set -euo pipefail\n" + docs.script(REPOSITORY / "docs" / "how-to" / "your-images.md")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    ws = Workspace(tmp_path / "my-campaign")
    assert ws.batch.exists()
    with open_context(ws.root) as ctx:
        assert ctx.ledger.rounds.current("my-campaign") is None  # plan buys nothing
    assert "total" in done.stdout.lower()
