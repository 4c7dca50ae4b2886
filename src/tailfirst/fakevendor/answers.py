"""How the fake vendor says no, and how an answer gets lost on the way."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tailfirst.errors import AuthRefused, Gone, QuotaExceeded, Retryable, Throttled, UserError, VendorError


class Cut(Response):
    """An answer that breaks off: the caller cannot know what happened."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's shape
        """Promise a body and close the connection before it."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": False})


def problem(status: int, message: str, headers: dict[str, str] | None = None, **more: str) -> JSONResponse:
    """A refusal as JSON."""
    return JSONResponse({"error": message, **more}, status, headers)


def add_handlers(app: FastAPI) -> None:
    """Every error of the company has its status code."""

    @app.exception_handler(Throttled)
    def throttled(_: Request, error: Throttled) -> Response:
        return problem(429, str(error), {"retry-after": f"{error.retry_after_s:g}"})

    @app.exception_handler(VendorError)
    def refused(_: Request, error: VendorError) -> Response:
        statuses = ((AuthRefused, 401), (QuotaExceeded, 402), (Gone, 410), (Retryable, 503))
        return problem(next((s for kind, s in statuses if isinstance(error, kind)), 500), str(error))

    @app.exception_handler(UserError)
    def wrong(_: Request, error: UserError) -> Response:
        return problem(400, str(error))

    @app.exception_handler(ValueError)
    def unreadable(_: Request, error: ValueError) -> Response:
        return problem(400, str(error))

    @app.exception_handler(LookupError)
    def unknown(_: Request, error: LookupError) -> Response:
        return problem(404, str(error))
