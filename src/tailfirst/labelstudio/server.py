"""Start and end a Label Studio on this machine: a child process, its data folder, its first user and token.

Its database needs some twenty seconds of migrations; they are done once per installation, and each new data folder
starts with a copy of the result. It is Django's development server: for trying it and for tests, not for a team.
"""

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from filelock import FileLock

from tailfirst.artifacts import atomic_file
from tailfirst.errors import Unavailable

HOST = "127.0.0.1"
DATABASE = "label_studio.sqlite3"
PATIENCE_S = 300.0  # a machine with other work takes ten times as long as a quiet one
STOP_S = 20.0
ROBOT = "robot@tailfirst.local"
WHERE = (
    "no Label Studio found: `make .venv-label-studio/.installed` installs it into .venv-label-studio, or say where its "
    "command is with TAILFIRST_LABEL_STUDIO"
)


@dataclass(frozen=True, slots=True)
class Account:
    """The first user of a server: it owns the organization, and tailfirst speaks with its token."""

    email: str
    password: str
    token: str


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    data: Path  # its database and uploads
    files: Path  # what it may show as local files
    account: Account
    process: subprocess.Popen[bytes]


def executable(root: Path | None = None) -> Path | None:
    """The `label-studio` command: of TAILFIRST_LABEL_STUDIO, else of .venv-label-studio; None = not installed."""
    named = os.environ.get("TAILFIRST_LABEL_STUDIO")
    path = Path(named) if named else (root or Path.cwd()) / ".venv-label-studio" / "bin" / "label-studio"
    return path if path.is_file() else None


def template(command: Path) -> Path:
    """A migrated database without users, made at the first call per installation.

    Raises:
        Unavailable: The migrations failed; says why.
    """
    path = command.absolute().parent.parent / "tailfirst" / DATABASE
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            with atomic_file(path) as temporary:
                _migrate(command, temporary)
    return path


@contextmanager
def running(command: Path, data: Path, files: Path, port: int = 0) -> Iterator[Server]:
    """Serve on loopback while the block runs; the data folder stays.

    Args:
        command: What `executable` found.
        data: The server's own folder; made, with a new user, where it is not there.
        files: The folder below which it may show images as local files.
        port: 0 = any free one.

    Raises:
        Unavailable: It did not start; says what it printed last.
    """
    account = prepare(command, data)
    port = port or _free_port()
    log = data / "server.log"
    arguments: list[str | Path] = [command, "start", "--no-browser", "--internal-host", HOST, "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            arguments, cwd=data, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            env={**_inherited(), **environment(data, files, account)}, preexec_fn=_die_together,  # noqa: PLW1509  (it only makes one system call)
        )  # fmt: skip
    url = f"http://{HOST}:{port}"
    try:
        _wait(url, process, log)
        yield Server(url, data, files, account, process)
    finally:
        process.send_signal(signal.SIGTERM)  # it ignores SIGINT where it was started in a shell's background
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def prepare(command: Path, data: Path) -> Account:
    """Make a data folder with a migrated database and an account, unless it is there; returns the account."""
    secret = data / "account.json"
    if secret.exists():
        return Account(**json.loads(secret.read_text(encoding="utf-8")))
    data.mkdir(parents=True, exist_ok=True)
    shutil.copy(template(command), data / DATABASE)
    account = Account(ROBOT, secrets.token_urlsafe(12), secrets.token_hex(20))
    with atomic_file(secret) as temporary:
        temporary.chmod(0o600)
        temporary.write_text(json.dumps(asdict(account)), encoding="utf-8")
    return account


def environment(data: Path, files: Path, account: Account) -> Mapping[str, str]:
    """What the server is told: no telemetry, no look for updates, sign-up by link only, local files below `files`.

    The token switch counts only while the first user is made.
    """
    return {
        "LABEL_STUDIO_BASE_DATA_DIR": str(data.absolute()),
        "DJANGO_DB": "sqlite",
        "LABEL_STUDIO_USERNAME": account.email,
        "LABEL_STUDIO_PASSWORD": account.password,
        "LABEL_STUDIO_USER_TOKEN": account.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(files.absolute()),
        "SSRF_PROTECTION_ENABLED": "false",  # webhooks go to this machine
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "false",
        "FEATURE_FLAGS_OFFLINE": "true",
        "LOG_LEVEL": "WARNING",
    }


def _inherited() -> dict[str, str]:
    """Our environment without what points Python at our own modules: its packages have names like `tasks`, too."""
    return {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    }


def _migrate(command: Path, path: Path) -> None:
    """`label-studio version` migrates before it answers, and makes no user."""
    folder = path.with_suffix(".folder")
    folder.mkdir(exist_ok=True)
    try:
        values = {**environment(folder, folder, Account("", "", "")), "DATABASE_NAME": str(path)}
        unset = {name for name, value in values.items() if not value and "SENTRY" not in name}
        env = {**_inherited(), **{name: value for name, value in values.items() if name not in unset}}
        done = subprocess.run(
            [command, "version"], cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode or not path.stat().st_size:
        raise Unavailable(f"{command} could not make its database (exit code {done.returncode}): {done.stderr[-2000:]}")


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    with httpx.Client(base_url=url, trust_env=False, timeout=5) as client:
        while process.poll() is None and time.monotonic() < end:
            try:
                if client.get("/health").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
    told = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise Unavailable(f"Label Studio did not start at {url} (exit code {process.poll()}); it said: {told}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def _die_together() -> None:
    """Let Linux end the server when its parent is killed (prctl PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
