"""The labeling interface: classes to XML, and the XML that a server holds back to classes and their digest. Pure.

Names are shown, ids come back (`alias`). Synonyms and the ontology version ride along as attributes that the page
ignores, so that reading the interface back tells whether somebody changed the classes.
"""

import json
from xml.etree import ElementTree as ET

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import TaskFolderError, Unavailable
from tailfirst.quality.skips import SKIPS, WORDS
from tailfirst.task import ClassDef, Task, fold

CONTROL, OBJECT = "label", "item"
# Answers that are no class: alias -> the reason of the skip. The last one gives the item another chance to be shown.
NO_CLASS = {**{f"tf:{kind}": kind for kind in SKIPS}, "tf:not_shown": "asset not reachable"}
SHOWN = {**{f"tf:{kind}": WORDS[kind] for kind in SKIPS}, "tf:not_shown": "I cannot see it: it does not load"}
MANY = 12  # from so many classes on, people get a search box


def build(task: Task) -> str:
    """The interface for a task.

    Raises:
        Unavailable: Items that nobody can look at.
        TaskFolderError: A class whose id is one of our own answers.
    """
    if task.modality == "vector":
        raise Unavailable("Label Studio shows images and texts; this task has only vectors, nothing to look at")
    if taken := sorted(set(task.class_ids) & set(NO_CLASS)):
        raise TaskFolderError(f"class ids {', '.join(taken)} are kept for answers that are no class; rename them")
    view = ET.Element("View", style="display: flex; gap: 24px; align-items: flex-start")
    left = ET.SubElement(view, "View", style="flex: 1 1 0; min-width: 0")
    right = ET.SubElement(view, "View", style="flex: 0 0 280px")
    kind = "Image" if task.modality == "image" else "Text"
    ET.SubElement(left, kind, name=OBJECT, value=f"${task.modality}")
    ET.SubElement(right, "Header", value="Which class is it?")
    if len(task.classes) >= MANY:
        ET.SubElement(right, "Filter", toName=CONTROL, hotkey="shift+f", minlength="0", placeholder="search")
    choices = ET.SubElement(
        right, "Choices", name=CONTROL, toName=OBJECT, choice="single-radio", required="true",
        requiredMessage="Choose one", showInline="false", ontologyVersion=task.ontology_version,
    )  # fmt: skip
    shown = [fold(one.name) for one in task.classes] + [fold(words) for words in SHOWN.values()]
    for one in task.classes:
        ET.SubElement(choices, "Choice", _attributes(one, doubled=shown.count(fold(one.name)) > 1))
    for alias, words in SHOWN.items():
        ET.SubElement(choices, "Choice", {"value": words, "alias": alias})
    ET.indent(view)
    return ET.tostring(view, encoding="unicode")


def digest(config: str) -> str:
    """The ontology digest of an interface, computed like `Task.digest`; of a foreign one the sha256 of its text."""
    found = _classes(config)
    return Task("read-back", "text", found[0], found[1], ("{}",)).digest if found else sha256_bytes(config.encode())


def _attributes(one: ClassDef, *, doubled: bool) -> dict[str, str]:
    """A class as a choice. Two classes of one name show their ids; the name itself then rides along."""
    extra = {"name": one.name} if doubled else {}
    extra |= {"hint": one.definition} if one.definition else {}
    extra |= {"synonyms": json.dumps(one.synonyms, ensure_ascii=False)} if one.synonyms else {}
    return {"value": f"{one.name} [{one.id}]" if doubled else one.name, "alias": one.id, **extra}


def _classes(config: str) -> tuple[str, tuple[ClassDef, ...]] | None:
    """Ontology version and classes of an interface of ours; None for any other."""
    try:
        choices = ET.fromstring(config).find(f".//Choices[@name='{CONTROL}']")  # noqa: S314 - checked by the server, no DTD
        if choices is None:
            return None
        rows = [dict(choice.attrib) for choice in choices.iter("Choice")]
        kept = [row for row in rows if row.get("alias") not in NO_CLASS]
        if len(rows) - len(kept) != len(NO_CLASS):
            return None
        classes = tuple(
            ClassDef(
                row.get("alias", row["value"]), row.get("name", row["value"]),
                tuple(json.loads(row.get("synonyms", "[]"))), row.get("hint", ""),
            )
            for row in kept
        )  # fmt: skip
        Task("read-back", "text", choices.attrib["ontologyVersion"], classes, ("{}",))
    except (ET.ParseError, KeyError, ValueError, TaskFolderError):
        return None
    return choices.attrib["ontologyVersion"], classes
