"""Vectors of items: embedded once per content and encoder, then read from a cache."""

from tailfirst.embedding.cache import VectorCache
from tailfirst.embedding.embed import Batch, embed, embed_batches, embed_items, embed_texts
from tailfirst.embedding.load import Embeddings, load_embeddings
from tailfirst.embedding.run import run_embed

__all__ = [
    "Batch",
    "Embeddings",
    "VectorCache",
    "embed",
    "embed_batches",
    "embed_items",
    "embed_texts",
    "load_embeddings",
    "run_embed",
]
