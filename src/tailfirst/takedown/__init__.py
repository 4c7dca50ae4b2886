"""Taking an item, an open row or bytes out of a workspace for good; the command `tailfirst take-down`."""
