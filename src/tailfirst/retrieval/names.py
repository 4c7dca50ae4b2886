"""The names of classes: those that captions are searched for, and those that prompts are made of."""

from collections.abc import Mapping
from typing import Literal

from tailfirst.task import ClassDef, Task

Names = Literal["official", "most_common", "all_synonyms"]


def all_names(one: ClassDef) -> tuple[str, ...]:
    """The official name, then the synonyms."""
    return tuple(dict.fromkeys((one.name, *one.synonyms)))


def class_names(task: Task, names: Names, common: Mapping[str, str | None]) -> tuple[tuple[str, ...], ...]:
    """The names of every class that its prompts are made of (ALOR, section 7.1).

    Args:
        task: The task.
        names: official, most_common (official where captions name no synonym), or all_synonyms.
        common: Class id to its most common name.
    """
    if names == "official":
        return tuple((one.name,) for one in task.classes)
    if names == "most_common":
        return tuple((common.get(one.id) or one.name,) for one in task.classes)
    return tuple(all_names(one) for one in task.classes)
