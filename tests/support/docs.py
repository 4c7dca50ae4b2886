"""The shell blocks of a how-to, so that tests run what people are told to type."""

import re
from pathlib import Path

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def script(path: Path) -> str:
    """All `sh` blocks of a markdown file, one after the other.

    Raises:
        ValueError: There is none: a test of an empty script would assert nothing.
    """
    blocks = BLOCK.findall(path.read_text(encoding="utf-8"))
    if not blocks:
        raise ValueError(f"{path} has no sh block")
    return "\n".join(blocks)
