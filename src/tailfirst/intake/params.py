"""The first params.yaml of a workspace, from the template that fits what was brought."""

import re
from dataclasses import dataclass
from importlib import resources

from tailfirst.errors import UserError
from tailfirst.task import Modality

_ZERO_SHOT = "  zero_shot: { plugin: zero_shot }"
_NO_PROTOTYPES = "  # zero_shot needs data/prototypes.npy, which was not given"


@dataclass(frozen=True, slots=True)
class Basis:
    """What the first params depend on."""

    campaign: str
    modality: Modality
    vectors: bool
    prototypes: bool
    n_pool: int
    n_open: int


def first_params(basis: Basis) -> str:
    """The text of params.yaml, with its comments."""
    name = "precomputed" if basis.vectors else basis.modality
    text = (resources.files("tailfirst") / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
    values = {
        "@NAME@": basis.campaign,
        "@RETRIEVAL@": "true" if basis.n_open and not basis.vectors else "false",
        "@BUDGET@": str(max(1, min(100, basis.n_pool // 10))),
        "@ZERO_SHOT@": _ZERO_SHOT if basis.prototypes else _NO_PROTOTYPES,
    }
    for token, value in values.items():
        text = text.replace(token, value)
    return text


def slug(name: str) -> str:
    """A campaign name from any name: lower-case letters, digits and hyphens, at most 40.

    Raises:
        UserError: Nothing usable is left.
    """
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    if not found:
        raise UserError(f"no campaign name can be made of {name!r}; give --name with letters or digits")
    return found
