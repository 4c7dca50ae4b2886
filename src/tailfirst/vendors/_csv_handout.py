"""What people get of an order: a folder with the sheets, the classes, how to fill them in, and the images."""

from collections.abc import Mapping, Sequence
from typing import Any

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.quality.skips import WORDS
from tailfirst.vendors._csv_sheet import DIGEST, write
from tailfirst.vendors._csv_wire import NOT_SEEN
from tailfirst.vendors._files_book import Line, Order
from tailfirst.vendors._files_store import Store

HOW_TO = """How to label (order {order}, due {due})

1. Open {sheets} in any spreadsheet program.{copies}
2. Look at the column item. {look}
3. Write the name of one class of classes.csv into the column label. Where none fits, write "{none}"; where the
   item is broken or empty, "{unusable}"; where you cannot tell, "{unsure}"; where an image or link cannot be
   opened, "{unseen}". Leave the cell empty for later.
4. Write your name or initials into the column annotator. The column comment is yours.
5. Save as CSV (best: "CSV UTF-8"), under the same name or another one in this folder, as often as you like: half a
   sheet is welcome, and a label that you change and save again counts as changed.

Please leave the columns key, copy and digest as they are. Sort whole rows only, never one column alone. An apostrophe
at the beginning of a cell keeps a spreadsheet from taking it for a formula or a date: write '3-4 where 3-4 is a class.
"""


def sheet_names(order: Order, lines: Sequence[Line]) -> list[str]:
    """One file per answer that an item gets, named by what is asked, so that asking again writes the same files."""
    asked = sha256_bytes("\n".join(sorted(line.key for line in lines)).encode())[:6]
    if order.overlap == 1:
        return [f"label-me-{asked}.csv"]
    return [f"label-me-{asked}-copy-{copy}.csv" for copy in range(1, order.overlap + 1)]


def hand_out(
    store: Store, ours: str, order: Order, project: Mapping[str, Any], lines: Sequence[Line], delimiter: str
) -> None:
    """Write the folder, then, last, our note that these tasks are handed out. A sheet that is there is left alone."""
    names = sheet_names(order, lines)
    for copy, name in enumerate(names, start=1):
        if store.get(f"{order.order_id}/{name}") is None:
            rows = [_row(line, copy) for line in lines]
            store.put(f"{order.order_id}/{name}", write(rows, delimiter=delimiter))
    classes = [{"label": c["name"], "definition": c["definition"]} for c in project["classes"]]
    classes += [{"label": words, "definition": ""} for words in (*WORDS.values(), NOT_SEEN.capitalize())]
    store.put(f"{order.order_id}/classes.csv", write(classes, ("label", "definition"), delimiter))
    store.put(f"{order.order_id}/README.txt", _how_to(order, names, images=any(line.file for line in lines)).encode())
    note = canonical_json({"files": names, "keys": sorted(line.key for line in lines)})
    store.put(f"{ours}/orders/{order.order_id}/handed/{names[0]}.json", note.encode())


def withdrawn(store: Store, order_id: str, keys: Sequence[str]) -> None:
    """Tell which rows are no longer wanted."""
    text = "These keys are no longer wanted; leave their rows empty:\n" + "".join(f"{key}\n" for key in sorted(keys))
    store.put(f"{order_id}/WITHDRAWN.txt", text.encode())


def _row(line: Line, copy: int) -> dict[str, str]:
    return {
        "key": line.key,
        "item": line.text or line.url or line.file or "",
        "copy": str(copy),
        "digest": DIGEST + line.item_digest,
    }


def _how_to(order: Order, names: Sequence[str], *, images: bool) -> str:
    look = "It names an image in this folder, or a link." if images else "It holds the text, or a link."
    copies = " Each copy is for another person: do not fill in two." if len(names) > 1 else ""
    return HOW_TO.format(
        order=order.order_id, due=order.sla_at[:16], sheets=", ".join(names), copies=copies, look=look,
        none=WORDS["none_of_these"], unusable=WORDS["unusable"], unsure=WORDS["unsure"],
        unseen=NOT_SEEN.capitalize(),
    )  # fmt: skip
