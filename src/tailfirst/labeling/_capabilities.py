"""What a vendor cannot do, in words: said with the quote, so that nothing fails later (specs/vendor.md section 2)."""

from tailfirst.errors import UserError
from tailfirst.port import Capabilities, DataClass

IDEMPOTENCY = {
    "NATIVE_TTL": "keys protect only for a time, so tasks of unknown fate are looked up before anything is sent again",
    "EMULATED": "the vendor does not refuse a repeated key: one worker at a time looks first and then creates",
    "NONE": "the vendor knows no keys: one worker at a time compares what is there and then creates",
}


def switched_off(name: str, offered: Capabilities) -> list[str]:
    """One clause for each guard or feature that this vendor lacks."""
    lacks = {
        "nothing can be taken back once it is ordered": offered.cancel == "NONE",
        "it sends no signed hints, so answers are seen when the schedule polls": offered.push != "SIGNED",
        "it takes no reviews": not offered.review,
        "it takes no prelabels": not offered.prelabels,
        "each item gets one answer": offered.overlap_max == 1,
        "it reports no costs: what is booked is our own price list": offered.cost == "NONE",
        f"it keeps results for {offered.retention_days} days only": offered.retention_days is not None,
        "edits of an answer are not told apart by revision": not offered.revisions,
    }
    words = [IDEMPOTENCY[offered.idempotency]] if offered.idempotency in IDEMPOTENCY else []
    words += [what for what, missing in lacks.items() if missing]
    return [f"limits of {name}: {'; '.join(words)}"] if words else []


def check_people(name: str, offered: Capabilities, data_class: DataClass) -> None:
    """Make sure that this vendor's people may see the data (specs/vendor.md section 2, rule 7).

    Raises:
        UserError: PRIVATE or PERSONAL data would go to an open crowd; nothing has left.
    """
    if offered.workforce == "OPEN_CROWD" and data_class != "PUBLIC":
        raise UserError(
            f"campaign.data_class is {data_class} and vendor {name} works with an open crowd: nothing is sent; choose "
            "a vendor with people under contract, or say PUBLIC in params.yaml if anybody may see the items"
        )
