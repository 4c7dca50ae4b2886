"""`python -m tailfirst.labelstudio --root X`: a Label Studio for people who try it, until Ctrl-C."""

import argparse
import sys
from pathlib import Path

from tailfirst.errors import TailfirstError, Unavailable
from tailfirst.labelstudio.server import WHERE, Server, executable, running
from tailfirst.paths import Workspace

PORT = 8080


def main() -> int:
    """Serve until Ctrl-C; exit code 2 where it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m tailfirst.labelstudio", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the workspace; data goes to state/label-studio")
    parser.add_argument("--port", type=int, default=PORT, help="0 = any free one")
    given = parser.parse_args()
    ws = Workspace(given.root.absolute())
    try:
        command = executable()
        if command is None:
            raise Unavailable(WHERE)
        with running(command, ws.state / "label-studio", ws.root, given.port) as server:
            sys.stdout.write(greeting(server, ws))
            sys.stdout.flush()
            code = server.process.wait()
            raise Unavailable(f"Label Studio ended by itself with exit code {code}; see {server.data / 'server.log'}")
    except KeyboardInterrupt:
        sys.stdout.write("\nstopped; everything is kept in state/label-studio\n")
    except TailfirstError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def greeting(server: Server, ws: Workspace) -> str:
    """Where it is, who logs in, and how tailfirst gets its token; writes the two lines that .env needs."""
    lines = f"TAILFIRST_LABEL_STUDIO_URL={server.url}\nTAILFIRST_LABEL_STUDIO_TOKEN={server.account.token}\n"
    path = server.data / "env"
    path.touch(mode=0o600)
    path.write_text(lines, encoding="utf-8")
    return (
        f"Label Studio is at {server.url}\n"
        f"  log in as     {server.account.email}\n"
        f"  password      {server.account.password}\n"
        f"  token         cat {path} >> {ws.root / '.env'}\n"
        f"  images        vendor: {{plugin: label_studio, images: local_files, document_root: {ws.root}}}\n"
        "  annotators    Organization > Invite people gives a link for them to sign up\n"
        "Ctrl-C stops it.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
