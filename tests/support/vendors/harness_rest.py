"""The REST adapter against the fake vendor: real sockets, one server for all tests, one company per kit."""

import itertools
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from tailfirst.fakevendor.app import make_app
from tailfirst.fakevendor.config import Config
from tailfirst.fakevendor.run import Hosted
from tailfirst.fakevendor.shop import Shop
from tailfirst.paths import Workspace
from tailfirst.port import LabelVendor
from tailfirst.vendors._simulated_book import Book
from tailfirst.vendors._simulated_params import KNOWN_FAULTS
from tailfirst.vendors.rest import Params, RestVendor
from tests.support.vendors.kit import NOW, Kit, truth

KEY, SECRET = "a key for tests", "a secret for callbacks in tests"
KEPT = 8  # companies that stay reachable; a test needs the newest
NUMBERS = itertools.count()


@cache
def server() -> tuple[Starlette, str]:
    """The server of this process and its address; its thread ends with the process."""
    parent = Starlette()
    return parent, Hosted(parent).__enter__()


def reachable(shop: Shop) -> str:
    """The base URL of a company."""
    parent, url = server()
    name = f"/company-{next(NUMBERS)}"
    parent.router.routes[:] = [Mount(name, app=make_app(shop)), *parent.router.routes[: KEPT - 1]]
    return url + name


def make_kit(root: Path, page_size: int = 1000, **options: Any) -> Kit:
    config = Config.model_validate(options)
    shop = Shop(config, Book(root / "fake.db"), truth, KEY, SECRET)
    url = reachable(shop)
    offered = Params(
        base_url=url, page_size=page_size, idempotency=config.idempotency, cancel="ANY", simulated_clock=True,
        overlap_max=len(config.annotators), max_batch=500,
    )  # fmt: skip

    def make(faults: Sequence[dict[str, Any]]) -> LabelVendor:
        shop.arm(faults)
        return RestVendor(offered, Workspace(root), KEY, [SECRET], now=lambda: NOW, sleep=lambda _: None)

    absent = {} if config.idempotency == "NATIVE_TTL" else {"token_expired": "its unique ids hold for good"}
    people = {one.id: one.id for one in config.annotators}
    return Kit(make, frozenset(KNOWN_FAULTS) - set(absent), absent, lambda: people)


KITS: dict[str, Callable[[Path], Kit]] = {
    "NATIVE": make_kit,
    "NATIVE_TTL": lambda root: make_kit(root, idempotency="NATIVE_TTL", page_size=3, hours_per_poll=12),
    "EMULATED": lambda root: make_kit(root, idempotency="EMULATED"),
    "NONE": lambda root: make_kit(root, idempotency="NONE"),
}
