"""How the price of an order comes about, in words."""

from tailfirst.rounds import money


def basis(n_tasks: int, purpose: str, overlap: int, each_micros: int, currency: str) -> str:
    """Items times answers times price, for people: what approvals and sealed rounds keep."""
    items = f"{n_tasks} {purpose} item{'' if n_tasks == 1 else 's'}"
    return f"{items} x {overlap} answer{'' if overlap == 1 else 's'} x {money(each_micros, currency)}"
