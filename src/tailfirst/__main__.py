"""`python -m tailfirst <stage>`: what dvc.yaml calls. People use the command `tailfirst`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tailfirst import pipeline
from tailfirst.code_digest import ENCODES
from tailfirst.errors import ConfigError, TailfirstError, UserError
from tailfirst.paths import Workspace

WRITE = "dvc-yaml"


def run_stage(ws: Workspace, name: str, candidate: str | None = None) -> None:
    """Run one stage of the table: files in, files out, no network, no money.

    Raises:
        ConfigError: Unknown stage or candidate, or a candidate for a stage that takes none.
    """
    import tailfirst.stages as stages  # noqa: PLR0402 - mypy cannot see it through the package
    from tailfirst import config

    row = pipeline.stage(name)
    params = config.load(ws.params)
    settings = (config.Settings(),) if name in (*ENCODES, "predict") else ()
    if not row.per_candidate:
        if candidate is not None:
            raise ConfigError(f"stage {name} works on all candidates; leave out --candidate {candidate}")
        getattr(stages, name)(ws, params, *settings)
        return
    if candidate not in params.candidates:
        raise ConfigError(f"{name}: no candidate {candidate!r} in params.yaml; known: {', '.join(params.candidates)}")
    getattr(stages, name)(ws, params, candidate, *settings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; 0 done, 2 bad input (nothing changed), 1 another refusal."""
    parser = argparse.ArgumentParser(prog="python -m tailfirst", description=__doc__)
    parser.add_argument("stage", choices=[row.name for row in pipeline.STAGES] + [WRITE])
    parser.add_argument("--candidate", help="a name under `candidates` of params.yaml")
    parser.add_argument("--root", type=Path, default=Path(), help="the workspace; default: the current folder")
    given = parser.parse_args(arguments)
    ws = Workspace(given.root.resolve())
    try:
        if given.stage == WRITE:
            pipeline.write_code_json(ws)
            pipeline.write_dvc_yaml(ws)
        else:
            run_stage(ws, given.stage, given.candidate)
    except TailfirstError as error:
        sys.stderr.write(f"{given.stage}: {error}\n")
        return 2 if isinstance(error, UserError) else 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning OpenMP threads cost 3-15x beside other work
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a stage never touches a network
    sys.exit(main())
