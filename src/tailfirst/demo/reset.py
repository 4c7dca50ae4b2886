"""Forget the demo's rounds; the drawn data stays.

    python -m tailfirst.demo.reset --root .

Only where the vendor is the simulated one: bought labels are never thrown away.
"""

import argparse
import shutil
import sys
from pathlib import Path

from tailfirst import config
from tailfirst.errors import TailfirstError, UserError
from tailfirst.paths import Workspace


def reset(ws: Workspace) -> tuple[Path, ...]:
    """Remove the live state, the outputs, the sealed rounds and the MLflow runs of a simulated campaign.

    Args:
        ws: The workspace.

    Returns:
        What was removed.

    Raises:
        UserError: The vendor is not the simulated one.
    """
    vendor = config.load(ws.params).vendor.plugin
    if vendor != "simulated":
        raise UserError(
            f"the vendor of {ws.root} is {vendor!r}: its labels cost money and are not thrown away; "
            "delete by hand what you mean"
        )
    sealed = sorted(ws.rounds.glob("[0-9]*"))
    tracked = sorted(p for p in ws.mlruns.glob("*") if p.name != "README.md")
    gone = tuple(p for p in (ws.state, ws.work, *sealed, *tracked) if p.exists())
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if ws.seed_labels.exists():
        shutil.copyfile(ws.seed_labels, ws.labels)
    return gone


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path())
    try:
        gone = reset(Workspace(parser.parse_args().root.resolve()))
    except TailfirstError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("".join(f"removed {path}\n" for path in gone) or "nothing to remove\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
