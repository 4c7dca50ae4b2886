"""A throwaway PostgreSQL server for tests, from the server binaries of this machine."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=60")
PATIENCE_S = 60.0


def binaries() -> Path | None:
    """The folder with initdb and postgres; None = not installed."""
    found = shutil.which("initdb")
    if found and (Path(found).resolve().parent / "postgres").exists():
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=None)
    return None if newest is None else newest.parent


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server that listens on a unix socket in `folder`."""

    folder: Path

    def url(self, database: str) -> str:
        return f"postgresql://tailfirst@/{database}?host={self.folder}"

    def create(self, database: str) -> str:
        """A new database; returns its URL."""
        self.run(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def empty(self, database: str) -> None:
        """Delete all rows of a database but the schema's version; fails when a test left a transaction open."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute("SET lock_timeout = '5s'")
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = ", ".join(f'"{name}"' for (name,) in found if name != "alembic_version")
            connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE".encode())

    def drop(self, database: str) -> None:
        self.run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running(bin_folder: Path) -> Iterator[Cluster]:
    """Start a server with its own data, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="tfpg", dir="/tmp"))  # short: a socket's path has 107 bytes at most
    who = _somebody()
    if who:
        os.chown(folder, who["user"], who["group"])
    folder.chmod(0o755)
    server: subprocess.Popen[bytes] | None = None
    try:
        with (folder / "log").open("wb") as log:
            initdb = [bin_folder / "initdb", "-D", folder / "data", "-U", "tailfirst", "-A", "trust", "-E", "UTF8"]
            made = subprocess.run(
                [*initdb, "--locale=C", "--no-sync"], cwd=folder, stdout=log, stderr=log, check=False, **who
            )
            if made.returncode:
                raise RuntimeError(f"initdb failed:\n{(folder / 'log').read_text()}")
            options = [part for setting in SETTINGS for part in ("-c", setting)]
            command = [bin_folder / "postgres", "-D", folder / "data", "-k", folder, *options]
            server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, preexec_fn=_die_together, **who)  # noqa: PLW1509  (it only makes one system call)
        cluster = Cluster(folder)
        _wait(cluster, server)
        yield cluster
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # fast shutdown: connections are cut
            try:
                server.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _somebody() -> dict[str, object]:
    """Whom to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names.get("nobody")
    if entry is None:
        raise RuntimeError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _die_together() -> None:
    """Let Linux end the server when the tests are killed (prctl PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _wait(cluster: Cluster, server: "subprocess.Popen[bytes]") -> None:
    import psycopg

    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            psycopg.connect(cluster.url("postgres")).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start:\n{(cluster.folder / 'log').read_text()}") from None
            time.sleep(0.05)
        else:
            return
