"""Embedding end to end against the bare forward pass: JPEG bytes to vectors in the cache, and the second run.

The network has random weights, so nothing is downloaded: the speed is that of the real one. Goal: at most 1.15 times
the bare forward pass; a second run embeds nothing.

    python benchmarks/embedding.py [tiny | vit-b-32, default both] [images, default 192]
"""

import hashlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from PIL import Image

from tailfirst.config import Settings
from tailfirst.contracts import Ints, Media
from tailfirst.embedding import VectorCache, embed
from tailfirst.encoders import clip
from tailfirst.paths import Workspace
from tests.support.tiny_clip import make_tiny_clip

SIZES = {"tiny": (64, 64), "vit-b-32": (640, 480)}


def grow(folder: Path) -> None:
    """Replace the tiny network by one of ViT-B/32's shape."""
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = CLIPTokenizer.from_pretrained(folder)
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 1}
    torch.manual_seed(0)
    config = CLIPConfig(text_config={"vocab_size": len(tokenizer), **ids}, vision_config={"patch_size": 32})
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)


def pictures(count: int, width: int, height: int) -> list[bytes]:
    """JPEGs of smooth noise: real pictures have structure, and decode at a real picture's speed."""
    found = []
    for seed in range(count):
        pixels = np.random.default_rng(seed).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=88)
        found.append(out.getvalue())
    return found


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def measure(name: str, count: int, folder: Path) -> None:
    make_tiny_clip(folder / "m", image_size=64 if name == "tiny" else 32)
    if name != "tiny":
        grow(folder / "m")
    ws = Workspace(folder)
    encoder = clip.load(clip.Params(model="m"), ws, Settings())
    data = pictures(count, *SIZES[name])
    shas = [hashlib.sha256(one).hexdigest() for one in data]
    ids = [str(row) for row in range(count)]
    size = encoder.batch
    pixels = np.zeros((size, *encoder.pixels(Media("0", data=data[0])).shape), np.float32)
    passes = -(-count // size)
    encoder.forward("image", pixel_values=pixels)

    def media(rows: Ints) -> list[Media]:
        return [Media(ids[row], data=data[row]) for row in rows]

    def whole(cache: Path) -> float:
        return seconds(lambda: embed(encoder, ids, shas, media, VectorCache(cache, encoder.dim)))

    bare = min(
        seconds(lambda: [encoder.forward("image", pixel_values=pixels) for _ in range(passes)]) for _ in range(3)
    )
    decode = min(seconds(lambda: [encoder.pixels(Media("", data=one)) for one in data]) for _ in range(2))
    ours = min(whole(folder / f"cache{k}") for k in range(3))
    again = whole(folder / "cache0")
    where = f"{encoder.network.dtype}".removeprefix("torch."), encoder.network.device.type
    print(f"{name}: {count} JPEGs of {SIZES[name]}, batch {size}, {' on '.join(where)}")
    print(f"  bare forward pass  {count / bare:>8,.1f} images/s")
    print(f"  decoding alone     {count / decode:>8,.1f} images/s (one thread)")
    print(
        f"  end to end         {count / ours:>8,.1f} images/s   {ours / bare:.2f} of the forward pass alone (goal 1.15)"
    )
    print(f"  second run         {again:.3f} s, nothing embedded")


def main() -> None:
    names = sys.argv[1:2] or list(SIZES)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, int(sys.argv[2]) if len(sys.argv) > 2 else 192, Path(folder))


if __name__ == "__main__":
    main()
