"""One spelling for captions and names.

Unicode NFKC, lower case, quotes deleted, `-` and `_` and every non-ASCII sign that is no letter, digit or mark turned
into a space, spaces collapsed. After that a token is a run of ASCII letters and digits and of non-ASCII characters, and
a caption names a class if it contains the name between two token borders: `car` is not in `scar`.
"""

import string
import unicodedata

QUOTES = "'\"`´‘’‚‛“”„‟‹›«»′″ʼ"
ASCII_QUOTES = b"'\"`"
ASCII_SPACES = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f -_"
WORD_BYTES = frozenset((string.ascii_lowercase + string.digits).encode()) | frozenset(range(0x80, 0x100))
_CHANGES_AT_MOST = 8  # passes until nothing changes; two or three are enough for every known text


class _Signs(dict[int, str | None]):
    """The translation of a character, worked out when it is first seen."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        if character in QUOTES:
            self[code] = None
        elif character in "-_":
            self[code] = " "
        elif character.isascii() or unicodedata.category(character)[0] in "LMN":
            self[code] = character
        else:
            self[code] = " "
        return self[code]


_SIGNS = _Signs()


def normalise(text: str) -> str:
    """The one spelling of a caption or name; applying it twice changes nothing more."""
    if text.isascii():
        return _pass(text)
    for _ in range(_CHANGES_AT_MOST):
        before, text = text, _pass(unicodedata.normalize("NFKC", text))
        if text.isascii() or text == before:
            break
    return text


def contains(caption: str, phrase: str) -> bool:
    """Whether a normalised caption holds a normalised phrase as whole tokens: the definition, in plain steps."""
    if not any(is_word(character) for character in phrase):
        return False
    start = caption.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        before, after = caption[start - 1 : start], caption[end : end + 1]
        if not (before and is_word(before)) and not (after and is_word(after)):
            return True
        start = caption.find(phrase, start + 1)
    return False


def is_word(character: str) -> bool:
    """Whether a character of a normalised text belongs to a token."""
    return character.isalnum() if character.isascii() else True


def _pass(text: str) -> str:
    return " ".join(text.lower().translate(_SIGNS).split())
