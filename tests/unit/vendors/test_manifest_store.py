"""The store under manifests: its failures, its secrets and its protocols."""

from pathlib import Path
from typing import Any

import pytest

from tailfirst import plugins
from tailfirst.config import Settings
from tailfirst.errors import AuthRefused, ConfigError, Retryable, Throttled
from tailfirst.paths import Workspace
from tailfirst.vendors import manifest
from tailfirst.vendors._files_store import Store
from tailfirst.vendors.manifest import Params
from tests.support.vendors.files_flaky import make_bucket, moto_endpoint
from tests.support.vendors.manifest_site import Site


@pytest.mark.parametrize(
    ("error", "ours"),
    [(PermissionError("403"), AuthRefused), (OSError(16, "slow down"), Throttled), (TimeoutError(), Retryable)],
)
def test_failures_of_the_store_are_classified_once(site: Site, error: OSError, ours: type[Exception]) -> None:
    vendor, batch = site.order()

    def fail() -> None:
        raise error

    site.flaky.on_any = fail
    with pytest.raises(ours):
        vendor.changes(batch, None)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "s3://key:secret@bucket/x"},
        {"endpoint_url": "http://user:pw@127.0.0.1:9000"},
        {"options": {"secret": "x"}},
        {"options": {"client_kwargs": {"aws_secret_access_key": "x"}}},
    ],
)
def test_secrets_are_refused_in_params(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="environment only"):
        plugins.params("vendors", "manifest", given)


def test_unknown_protocols_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file system for nosuch://"):
        manifest.load(Params(url="nosuch://x/y"), Workspace(tmp_path), Settings(_env_file=None))


def test_s3_says_no_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"endpoint_url": moto_endpoint()}
    make_bucket("labels-words")
    store = Store("s3://labels-words/campaign", options)
    store.put("a/b.json", b"1")
    assert [e.name for e in store.listing("a")] == ["a/b.json"]
    Store("s3://labels-words/campaign", options).put("a/c.json", b"22")
    assert [(e.name, e.size, e.sure) for e in store.listing("a")] == [("a/b.json", 1, True), ("a/c.json", 2, True)]
    assert store.get("a/none") is None
    assert store.address("a/b.json") == "s3://labels-words/campaign/a/b.json"
    with pytest.raises(Retryable, match=r"cannot write x at s3://no-such-bucket-here"):
        Store("s3://no-such-bucket-here/y", options).put("x", b"")
    with pytest.raises(Retryable, match=r"cannot read a/b\.json"):
        Store("s3://labels-words/campaign", {"endpoint_url": "http://127.0.0.1:9"}).get("a/b.json")
