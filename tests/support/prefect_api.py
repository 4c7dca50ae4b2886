"""The API of the tests' Prefect server, asked as Prefect itself asks it.

On SQLite a busy server answers 503 "database is locked" and wants to be asked again: Prefect's own client does so, and
raises for every other error with the server's words.
"""

import httpx
from prefect.client.base import PrefectHttpxSyncClient


def connect(env: dict[str, str]) -> httpx.Client:
    """A client (a context manager) of the server that an environment names."""
    return PrefectHttpxSyncClient(trust_env=False, timeout=60, base_url=env["PREFECT_API_URL"])
