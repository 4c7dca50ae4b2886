"""Is this an image that the encoder will be able to open? Cheap for good files, thorough for suspicious ones."""

import io
import warnings

from PIL import Image, UnidentifiedImageError

from tailfirst.items import FORMATS, MAX_PIXELS

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})
_JPEG_END = b"\xff\xd9"
_TAIL = 65_536  # cameras append maker data after the end marker
_SELF_CHECKING = frozenset({"PNG"})  # verify() checks every checksum to the last chunk


def fault(data: bytes, max_pixels: int = MAX_PIXELS) -> str | None:
    """Why bytes are not a usable image; None when they are.

    JPEG with an end marker and PNG are checked without decoding; everything else is decoded in full, because
    Pillow's `verify` says nothing about cut files there.
    """
    if not data:
        return "empty file"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about metadata that does not matter here
            return _fault(data, max_pixels)
    except UnidentifiedImageError:
        return f"not an image of a known format ({len(data)} bytes)"
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return f"not a readable image ({len(data)} bytes): {error}"


def _fault(data: bytes, max_pixels: int) -> str | None:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            return f"{image.width} x {image.height} pixels; the cap is {max_pixels:,}"
        kind = image.format
        if kind in _SELF_CHECKING:
            image.verify()
        elif kind not in {"JPEG", "MPO"} or _JPEG_END not in data[-_TAIL:]:
            image.load()
    return None
