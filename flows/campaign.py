"""Ticks until the budget or a stopping rule ends the campaign, or until it waits for a person. What `make demo` runs.

python -m flows.campaign --root .
"""

import argparse
import os
import sys
from pathlib import Path

from flows import server

POLL_S = 0.5  # between ticks while the vendor works; a scheduled deployment ticks by cron in place of this


def main(argv: list[str] | None = None) -> int:
    """Start a local Prefect server (unless PREFECT_API_URL names one), run the campaign, show the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--poll-seconds", type=float, default=POLL_S)
    arguments = parser.parse_args(argv)
    from tailfirst.errors import TailfirstError, UserError

    try:
        return _main(arguments.root.resolve(), arguments.poll_seconds)
    except TailfirstError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, UserError) else 1


def _main(root: Path, poll_s: float) -> int:
    from tailfirst import config
    from tailfirst.intake.validate import ensure_valid
    from tailfirst.paths import Workspace
    from tailfirst.summary import show_campaign

    ws = Workspace(root)
    config.load(ws.params)  # a mistake in params.yaml shows before a server starts
    ensure_valid(ws)
    os.environ.update(server.environment(root))
    if os.environ.get("PREFECT_API_URL"):
        ended = _run(root, poll_s)
    else:
        with server.running(root) as api:
            os.environ["PREFECT_API_URL"] = api
            try:
                ended = _run(root, poll_s)
            finally:
                os.environ.pop("PREFECT_API_URL")
    show_campaign(ws, ended)
    return 0


def _run(root: Path, poll_s: float) -> str:
    """The campaign flow; imported late, because Prefect reads its settings at import."""
    from flows.ticks import campaign

    try:
        return campaign(str(root), poll_s)
    finally:
        server.flush()


if __name__ == "__main__":
    sys.exit(main())
