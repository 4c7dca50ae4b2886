"""The columns of an open corpus: our own names, those of LAION and ReLAION, and those of common exports."""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import TaskFolderError

# For each column of ours the names it may have, the best first; a table is read in place under the first it has.
ACCEPTED: Mapping[str, tuple[str, ...]] = {
    "open_id": ("open_id", "SAMPLE_ID", "sample_id", "hash", "key", "uid", "id"),
    "caption": ("caption", "top_caption", "TEXT", "text", "alt_text", "alt", "title", "sentence"),
    "url": ("url", "URL", "image_url"),
    "nsfw": ("nsfw", "punsafe", "NSFW", "nsfw_score"),
    "watermark": ("watermark", "pwatermark"),
    "similarity": ("similarity",),
    "width": ("original_width", "width", "WIDTH"),
    "height": ("original_height", "height", "HEIGHT"),
    "licence": ("licence", "license", "LICENSE", "LICENCE"),
    "source": ("source", "SOURCE", "dataset"),
    "sha256": ("sha256",),
    "path": ("path", "image_path", "file_name"),
    "image": ("image", "jpg", "image_bytes"),
}
NEEDED = ("open_id", "caption")
NSFW_WORDS: Mapping[str, float] = {"unlikely": 0.0, "unsure": 0.5, "nsfw": 1.0}  # LAION-400M's three words
UNKNOWN = frozenset({"?", "unknown", "none", "nan", ""})  # of a licence
OPEN_ID = re.compile("o[0-9a-f]{19}")
_NUMBERS = ("nsfw", "watermark", "similarity", "width", "height")


def mapping(found: Sequence[str], where: str) -> dict[str, str]:
    """Our name of each known column, with the name it has in the table.

    Raises:
        TaskFolderError: No id or no caption; says what was found and what is accepted.
    """
    known = {ours: theirs for ours, names in ACCEPTED.items() if (theirs := _first(names, found)) is not None}
    lacking = [name for name in NEEDED if name not in known]
    if lacking:
        accepted = "; ".join(f"{name} may be called {', '.join(ACCEPTED[name])}" for name in lacking)
        raise TaskFolderError(
            f"{where} lacks {' and '.join(lacking)}; it has the columns {', '.join(found) or 'none'}. {accepted}"
        )
    return known


def as_ours(name: str, column: pa.Array) -> pa.Array:
    """The values of a column in the type of `schemas.OPEN`; what cannot be read as such is null."""
    if isinstance(column.type, pa.DictionaryType):
        column = column.dictionary_decode()
    if name in _NUMBERS:
        return _numbers(column)
    column = column.cast(pa.string())
    if name == "licence":
        words = pc.utf8_lower(pc.utf8_trim_whitespace(column))
        return pc.if_else(pc.is_in(words, pa.array(sorted(UNKNOWN))), pa.scalar(None, pa.string()), column)
    return column


def open_ids(theirs: str, column: pa.Array, places: Sequence[str]) -> pa.Array:
    """Ids of ours as they stand; any other value becomes one (`o` and 19 hex digits), the same for the same value.

    Args:
        theirs: What the table calls the column.
        column: Its values.
        places: What stands for a row whose value is missing.
    """
    if theirs == "open_id" and not column.null_count:
        return column.cast(pa.string())
    values = zip(column.is_null(nan_is_null=True).to_pylist(), column.to_pylist(), places, strict=True)
    return pa.array([_open_id(place if is_missing else value) for is_missing, value, place in values], pa.string())


def image_bytes(column: pa.Array) -> pa.Array:
    """The bytes of images; of structs of bytes and path, as some exports nest them, the bytes."""
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        column = pc.struct_field(column, "bytes")
    is_bytes = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    return column if is_bytes else pa.nulls(len(column), pa.binary())


def nsfw_number(word: str) -> float | None:
    """A score from a text: a number, or one of `NSFW_WORDS`; None where it is neither."""
    word = word.strip().lower()
    if word in NSFW_WORDS:
        return NSFW_WORDS[word]
    try:
        return float(word)
    except ValueError:
        return None


def _first(names: Sequence[str], found: Sequence[str]) -> str | None:
    return next((name for name in names if name in found), None)


def _open_id(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # LAION-400M keeps whole numbers as floats
    text = str(value)
    return text if OPEN_ID.fullmatch(text) else "o" + sha256_bytes(text.encode())[:19]


def _numbers(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        values = [None if one is None else nsfw_number(one) for one in column.to_pylist()]
        column = pa.array(values, pa.float64())
    return column.cast(pa.float32(), safe=False)
