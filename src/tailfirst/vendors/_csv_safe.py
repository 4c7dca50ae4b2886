"""Cells that no spreadsheet takes for a formula, and back. Pure; `plain(neutral(text)) == text` for every text.

A cell that begins with = + - @, a tab or a line break can run code in the reader's spreadsheet. An apostrophe before it
makes it text. The same is done behind every character that another program may take for the end of a cell, because the
file may be opened with another delimiter than it was written with.
"""

import re

# The apostrophe itself is one of them, so that putting it there can be undone; the last four are full-width forms.
_SIGNS = "'=+\\-@\uff1d\uff0b\uff0d\uff20"
_INSIDE = re.compile(rf'([,;|\t\r\n])([\s"]*)([{_SIGNS}])')
_UNDO_INSIDE = re.compile(rf"""([,;|\t\r\n])([\s"]*)'([{_SIGNS}])""")
_START = re.compile(rf'[\t\r\n]|[\s"]*[{_SIGNS}]')


def neutral(text: str) -> str:
    """A text as a harmless cell."""
    inside = _INSIDE.sub(r"\1\2'\3", text)
    return "'" + inside if _START.match(inside) else inside


def plain(cell: str) -> str:
    """The text of a cell; also of one whose apostrophe the spreadsheet has taken away."""
    inside = cell.removeprefix("'")
    return _UNDO_INSIDE.sub(r"\1\2\3", inside)
