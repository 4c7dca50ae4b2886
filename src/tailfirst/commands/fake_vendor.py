"""`tailfirst fake-vendor`: a labeling company on this machine, for rehearsals and load tests."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailfirst.commands import shell

if TYPE_CHECKING:
    from tailfirst.fakevendor.shop import Shop

KEY, SECRETS = "TAILFIRST_REST_API_KEY", "TAILFIRST_WEBHOOK_SECRETS"
TEST_KEY = "test-key"  # without one in the environment: a fake guards nothing that is worth a secret


def fake_vendor(
    command: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8900,
    seed: Annotated[int | None, typer.Option(help="What every made-up answer and fault is drawn from.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with prices, people, speed and faults.")] = None,
    db: Annotated[Path | None, typer.Option(help="Its memory; default: state/vendor/fake.db of the workspace.")] = None,
    callback_url: Annotated[str | None, typer.Option(help="Where it sends its signed callbacks.")] = None,
) -> None:
    """Serve a made-up labeling vendor over HTTP until it is stopped; it answers from the workspace's known labels."""
    from tailfirst.fakevendor.app import make_app
    from tailfirst.fakevendor.run import Server, address, bound

    listener = bound(port)
    try:
        shop = open_shop(command, seed, config, db, callback_url)
        ready = f"fake vendor ready at {address(listener)}, memory in {shop.book.path}"
        Server(make_app(shop), lambda: shell.say(ready)).run([listener])
    finally:
        listener.close()


def open_shop(
    command: typer.Context, seed: int | None, config: Path | None, db: Path | None, callback_url: str | None
) -> "Shop":
    """The vendor's state; without a workspace its config must name `classes`, from which the truth is drawn."""
    from tailfirst.errors import ConfigError
    from tailfirst.fakevendor.config import Drawn, read_config
    from tailfirst.fakevendor.shop import Shop
    from tailfirst.paths import Workspace
    from tailfirst.vendors._simulated_book import Book
    from tailfirst.vendors.simulated import read_truth
    from tailfirst.webhooks.signing import several, usable

    options = read_config(config, seed)
    if options.classes and db is None:
        raise ConfigError("a fake vendor with its own `classes` belongs to no workspace: say --db FILE for its memory")
    ws = None if options.classes else Workspace(shell.find_root(shell.of(command).root))
    secrets = several(os.environ.get(SECRETS))
    if callback_url is not None:
        usable(secrets)
    truth = (lambda: Drawn(options.seed, options.classes)) if ws is None else (lambda: read_truth(ws))
    path = db if db is not None or ws is None else ws.vendor / "fake.db"
    key = os.environ.get(KEY) or TEST_KEY
    truth_at = None if ws is None else partial(read_truth, ws)
    secret = secrets[0] if secrets else None
    return Shop(options, Book(path or Path()), truth, key, secret, callback_url, truth_at=truth_at)
