"""The demo VLM: a small CLIP of the transformers library with its own tokenizer, made without a network."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tailfirst import artifacts
from tailfirst.demo.merges import learn_merges
from tailfirst.demo.palette import SIDE

if TYPE_CHECKING:
    import torch
    from transformers import CLIPModel, CLIPTokenizer

MODEL_DIR = Path(__file__).parent / "model"
"""The trained weights that ship with the package."""

CONTEXT = 24
"""Tokens per caption, begin and end included."""

VOCABULARY = 1200

WIDTH = 128
"""Of the picture tower and of the shared space."""

MEAN = STD = (0.5, 0.5, 0.5)

_BEGIN, _END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def build_tokenizer(captions: Sequence[str], folder: Path) -> CLIPTokenizer:
    """Train a byte-pair tokenizer on captions and return it as a ``CLIPTokenizer``.

    Args:
        captions: text to learn merges from.
        folder: where ``vocab.json`` and ``merges.txt`` go.

    Returns:
        The tokenizer; pads with its end token, as CLIP's does.
    """
    from tokenizers import Regex, normalizers, pre_tokenizers
    from transformers import CLIPTokenizer

    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    normal = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    splitter = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    words = pre_tokenizers.Sequence([splitter, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    counts = Counter(word for text in captions for word, _ in words.pre_tokenize_str(normal.normalize_str(text)))
    learned = learn_merges(counts, pre_tokenizers.ByteLevel.alphabet(), [_BEGIN, _END], VOCABULARY)
    artifacts.write_bytes(folder / "vocab.json", json.dumps(learned.vocabulary, ensure_ascii=False).encode())
    artifacts.write_bytes(folder / "merges.txt", learned.merges_text().encode())
    # transformers 5 reads `vocab` and `merges`; the names of version 4 are swallowed without a word.
    return CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=CONTEXT)


def tokenized(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> torch.Tensor:
    """Return (N, L) token ids, padded with the end token to the longest caption.

    No mask goes with them: the text tower reads from left to right up to the first end token, so that what
    follows can not matter.
    """
    ids = tokenizer(list(captions), padding="longest", truncation=True, max_length=CONTEXT, return_tensors="pt")
    padded: torch.Tensor = ids["input_ids"]
    return padded


def build_model(vocabulary: int, begin_id: int, end_id: int) -> CLIPModel:
    """Return an untrained model; seed torch first."""
    from transformers import CLIPConfig, CLIPModel

    text = {
        "vocab_size": vocabulary,
        "hidden_size": 96,
        "intermediate_size": 288,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": begin_id,
        "eos_token_id": end_id,
        "pad_token_id": end_id,
        "projection_dim": WIDTH,
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 3 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
        "projection_dim": WIDTH,
    }
    return CLIPModel(
        CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH, logit_scale_init_value=2.6592)
    )


def save(model: CLIPModel, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write weights, tokenizer and image processor so that AutoModel and AutoProcessor load them.

    Weights are stored in half precision; the config names float32, so loading widens them.
    """
    from transformers import CLIPImageProcessorPil, CLIPProcessor

    images = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=list(MEAN),
        image_std=list(STD),
    )
    cast("Any", model).half().save_pretrained(folder)
    cast("Any", CLIPProcessor)(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    _declare_float32(folder / "config.json")
    for path in folder.iterdir():
        path.chmod(0o644)


def load(folder: Path = MODEL_DIR) -> tuple[Any, Any]:
    """Return the model in evaluation mode and its processor, from a local folder only."""
    from transformers import AutoModel, AutoProcessor

    model = AutoModel.from_pretrained(folder, local_files_only=True)
    return model.eval(), cast("Any", AutoProcessor).from_pretrained(folder, local_files_only=True)


def _declare_float32(path: Path) -> None:
    config = json.loads(path.read_text())
    for part in (config, config["text_config"], config["vision_config"]):
        part["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
