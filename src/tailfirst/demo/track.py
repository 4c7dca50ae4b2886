"""Record the drawn data in DVC and make sure that it is what `data.dvc` promises.

python -m tailfirst.demo.track --root .
"""

import argparse
import sys
from pathlib import Path

from tailfirst import versioning
from tailfirst.artifacts import write_bytes
from tailfirst.errors import StaleArtifact, TailfirstError
from tailfirst.paths import Workspace
from tailfirst.pool import sealed_rounds


def track(ws: Workspace) -> str:
    """Put data/ into the DVC cache; a sentence on its version.

    Args:
        ws: The workspace; made a DVC workspace when it is none yet.

    Returns:
        What data/ is now.

    Raises:
        StaleArtifact: The drawn bytes differ from those that `data.dvc` records; `data.dvc` is left as it was.
    """
    if sealed_rounds(ws.rounds):
        return f"the campaign has begun; data/ is version {versioning.data_version(ws).md5}"
    promised = ws.root / "data.dvc"
    if not promised.exists():
        return f"data/ is version {versioning.init_workspace(ws).md5}"
    before, text = versioning.data_version(ws), promised.read_bytes()
    after = versioning.add_data(ws)
    if after.md5 != before.md5:
        write_bytes(promised, text)
        found, wanted = (f"{v.md5} ({v.n_files} files, {v.size} bytes)" for v in (after, before))
        raise StaleArtifact(
            f"the drawn data is {found}, data.dvc promises {wanted}: "
            "install the tested set (`make setup`), delete data/, draw again"
        )
    return f"data/ is what data.dvc promises: {after.md5}, {after.n_files} files, {after.size / 1e6:.1f} MB"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path())
    try:
        sys.stdout.write(f"{track(Workspace(parser.parse_args().root.resolve()))}\n")
    except TailfirstError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
