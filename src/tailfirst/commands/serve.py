"""`tailfirst serve`: take the vendor's webhooks."""

from typing import Annotated

import typer

from tailfirst.commands import shell

PORT = 8008


def serve(
    command: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on; a proxy with TLS stands before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 = a free one.")] = PORT,
    proxy: Annotated[
        list[str] | None, typer.Option(help="Address of a proxy whose X-Forwarded-For is believed; repeatable.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Calls a second that one client may make on average.")] = 100.0,
    burst: Annotated[int, typer.Option(min=1, help="Calls that one client may make at once.")] = 200,
    body_max: Annotated[int, typer.Option(min=1, help="Largest body in bytes.")] = 256 * 1024,
) -> None:
    """Take the vendor's webhooks: each is verified and stored as a hint that moves the next poll forward.

    Secrets come from TAILFIRST_WEBHOOK_SECRETS (two, comma separated, while they are changed). This command tells
    nobody; `python -m flows.serve` does the same and wakes the scheduled round through Prefect.
    """
    from tailfirst.webhooks.app import make_app
    from tailfirst.webhooks.receiver import Receiver
    from tailfirst.webhooks.run import run

    receiver = Receiver.open(shell.find_root(shell.of(command).root), shell.settings())
    run(make_app(receiver, body_max=body_max, rate=rate, burst=burst), host, port, proxy or ())
