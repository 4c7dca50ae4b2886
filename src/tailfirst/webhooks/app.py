"""The HTTP face of the receiver."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from tailfirst import __version__
from tailfirst.webhooks.limits import Buckets
from tailfirst.webhooks.metrics import CONTENT_TYPE, Metrics, Standing
from tailfirst.webhooks.outcomes import SAID, STATUS, Outcome
from tailfirst.webhooks.receiver import Receiver

LOG = logging.getLogger(__name__)
BODY_MAX: Final = 256 * 1024  # bytes; a webhook says that something changed, it does not carry it
BODY_WITHIN_S: Final = 10.0
RATE, BURST = 100.0, 200  # calls a second of one client on one path, and at once
STANDING_FOR_S: Final = 15.0
PRUNE_EVERY_S: Final = 3_600.0
RETRY_S: Final = 30
THREADS = 16  # calls that are verified, or wait for their common commit, at once

Told = Callable[[Outcome], None]  # called after each call, must come back at once


class Reply(BaseModel):
    """What the caller is told."""

    outcome: str


@dataclass(slots=True)
class _State:
    """What lives as long as the app."""

    receiver: Receiver
    buckets: Buckets
    tell: Told
    body_max: int
    limiter: CapacityLimiter
    metrics: Metrics = field(default_factory=Metrics)
    standing: Standing | None = None
    standing_at: float = float("-inf")


def make_app(
    receiver: Receiver,
    tell: Told = lambda _: None,
    *,
    body_max: int = BODY_MAX,
    rate: float = RATE,
    burst: int = BURST,
) -> FastAPI:
    """The app: `POST /webhooks/{source}`, `GET /healthz`, `GET /metrics`, `GET /openapi.json`.

    Args:
        receiver: Verifies and stores; closed by the app when that ends.
        tell: Told how each call ended.
        body_max: Largest body in bytes.
        rate: Calls per second and client.
        burst: Calls at once and client.
    """
    state = _State(receiver, Buckets(rate, burst), tell, body_max, CapacityLimiter(THREADS))
    app = FastAPI(
        title="tailfirst webhooks", version=__version__, docs_url=None, redoc_url=None, lifespan=_lifespan(state)
    )
    app.state.webhooks = state
    _add_routes(app, state)
    return app


def _lifespan(state: _State) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tidy = asyncio.create_task(_tidy(state))
        try:
            yield
        finally:
            tidy.cancel()
            state.receiver.close()

    return lifespan


async def _tidy(state: _State) -> None:
    while True:
        gone = await to_thread.run_sync(state.receiver.prune)
        if gone:
            LOG.info("forgot %d old hints", gone)
        await asyncio.sleep(PRUNE_EVERY_S)


def _add_routes(app: FastAPI, state: _State) -> None:
    @app.post("/webhooks/{source}", **_documented())
    async def webhook(source: str, request: Request) -> Response:
        """A vendor says that something changed. `source`: the campaign or the vendor."""
        return await _answer(state, source, None, request)

    @app.post("/webhooks/{source}/{secret}", **_documented())
    async def webhook_of_a_vendor_that_signs_nothing(source: str, secret: str, request: Request) -> Response:
        """The same for a vendor that signs nothing: the last part of the path is the secret."""
        return await _answer(state, source, secret, request)

    @app.get("/healthz", responses={503: {"model": Reply, "description": "the ledger cannot be read"}})
    async def healthz() -> Reply:
        """Whether calls can be taken."""
        if not await to_thread.run_sync(state.receiver.healthy):
            return JSONResponse({"outcome": SAID[503]}, 503)  # type: ignore[return-value]
        return Reply(outcome="ok")

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Counters for Prometheus."""
        return PlainTextResponse(state.metrics.text(await _standing(state)), media_type=CONTENT_TYPE)


def _documented() -> dict[str, Any]:
    """What the OpenAPI says about a webhook: any JSON comes in; who is refused learns only that."""
    body = {"required": True, "content": {"application/json": {"schema": {}}}}
    told = {code: {"model": Reply, "description": said} for code, said in SAID.items()}
    return {"response_model": Reply, "responses": told, "openapi_extra": {"requestBody": body}}


async def _standing(state: _State) -> Standing | None:
    """The ledger's part of the metrics, read anew at most every 15 seconds."""
    if time.monotonic() - state.standing_at > STANDING_FOR_S:
        state.standing_at = time.monotonic()
        state.standing = await to_thread.run_sync(state.receiver.standing)
    return state.standing


async def _answer(state: _State, source: str, secret: str | None, request: Request) -> Response:
    headers: dict[str, str] = {}
    known = state.receiver.serves(source, secret)
    wait_s = state.buckets.wait_s((_client(request), source if known else ""), time.monotonic())
    if wait_s:
        outcome, headers = Outcome.LIMITED, {"Retry-After": str(max(1, round(wait_s)))}
    elif not known:
        outcome = Outcome.NOWHERE
    else:
        outcome = await _take(state, request)
    if outcome is Outcome.UNAVAILABLE:
        headers = {"Retry-After": str(RETRY_S)}
    state.metrics.count(outcome)
    state.tell(outcome)
    status = STATUS[outcome]
    return JSONResponse({"outcome": SAID[status]}, status, headers)


async def _take(state: _State, request: Request) -> Outcome:
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            body = await _body(request, state.body_max)
    except TimeoutError:
        return Outcome.SLOW
    except ClientDisconnect:
        return Outcome.MALFORMED
    if body is None:
        return Outcome.OVERSIZED
    return await to_thread.run_sync(state.receiver.receive, dict(request.headers), body, limiter=state.limiter)


async def _body(request: Request, most: int) -> bytes | None:
    """The body; None as soon as it is known to be too large, without reading on."""
    said = request.headers.get("content-length", "0")
    if said.isdigit() and int(said) > most:
        return None
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def _client(request: Request) -> str:
    return request.client.host if request.client else ""
