"""The fake vendor as an ASGI application."""

import base64
import binascii
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request

from tailfirst.errors import AuthRefused
from tailfirst.fakevendor import routes
from tailfirst.fakevendor.answers import add_handlers
from tailfirst.fakevendor.shapes import BalanceIn, FaultsIn, JumpIn, PricesIn
from tailfirst.fakevendor.shop import Shop

Json = dict[str, Any]


def make_app(shop: Shop) -> FastAPI:
    """The customers' API under /v1 and the puppeteer's under /admin; both want the key (HTTP Basic, key as user)."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        shop.start()
        yield
        shop.stop()

    app = FastAPI(title="fake labeling vendor", lifespan=lifespan)
    add_handlers(app)
    allowed = Depends(_Allowed(shop.key))
    customers = APIRouter(prefix="/v1", dependencies=[allowed])
    for add in (routes.orders, routes.tasks, routes.results):
        add(customers, shop)
    puppeteer = APIRouter(prefix="/admin", dependencies=[allowed])
    _admin(puppeteer, shop)
    app.include_router(customers)
    app.include_router(puppeteer)
    return app


class _Allowed:
    """Refuses whoever does not show the key."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __call__(self, request: Request) -> None:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        try:
            user = base64.b64decode(value, validate=True).partition(b":")[0]
        except (binascii.Error, ValueError):
            user = b""
        if kind.lower() != "basic" or not hmac.compare_digest(user, self._key):
            raise AuthRefused("the key is missing or wrong")


def _admin(router: APIRouter, shop: Shop) -> None:
    """What exists only in a fake: faults, the clock, the money book."""

    @router.post("/faults")
    def arm(given: FaultsIn) -> Json:
        """Arm these faults instead of those before."""
        return {"armed": shop.arm(given.faults)}

    @router.get("/faults")
    def armed() -> Json:
        """The faults that are armed."""
        return {"armed": [fault.model_dump(exclude_defaults=True) for fault in shop.config.faults]}

    @router.post("/clock")
    def jump(given: JumpIn) -> Json:
        """Let simulated time pass at once, on all orders."""
        return {"now": shop.jump(given.hours).isoformat()}

    @router.post("/balance")
    def pay_in(given: BalanceIn) -> Json:
        """Set what has been paid in."""
        shop.pay_in(given.balance_micros)
        return {"balance_micros": given.balance_micros}

    @router.post("/prices")
    def reprice(given: PricesIn) -> Json:
        """Set what new quotes and batches cost."""
        shop.reprice(given.percent)
        return {"percent": given.percent}

    @router.get("/book")
    def book() -> Json:
        """The money book in short: charges, their sum, keys charged twice."""
        with shop.book.session() as session:
            lines = session.charges()
        paid = [c.key for c in lines if c.kind == "ACCRUED"]
        return {
            "charges": len(lines),
            "amount_micros": sum(c.amount_micros for c in lines),
            "paid_twice": len(paid) - len(set(paid)),
            "callbacks": shop.callbacks.counts(),
        }
