"""Objects below one folder of a file system, through fsspec: file://, s3://, gs:// and whatever else it speaks.

Three promises: an object is whole or absent, a listing is never an old one from a cache, and every failure is one of
ours (specs/vendor.md section 2, rule 4). No retries here: the core decides when to ask again.
"""

import importlib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tailfirst.errors import AuthRefused, ConfigError, Retryable, Throttled

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "GoogleAuthError")
BUSY_ERRNO = 16  # EBUSY: what s3fs makes of "slow down" and 503
BUSY_S = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An object of a listing; `tag` changes when its bytes do, as far as the file system can tell without reading."""

    name: str  # relative to the store
    size: int
    tag: str
    modified: datetime | None
    sure: bool  # whether the tag is a checksum of the bytes; otherwise it is size and time


class Store:
    """One folder of a file system."""

    def __init__(
        self, url: str, options: Mapping[str, Any] | None = None, file_system: "AbstractFileSystem | None" = None
    ) -> None:
        """Nothing is read or written yet.

        Args:
            url: The folder, for example file:///data/labels or s3://bucket/labels.
            options: For fsspec; never a secret, those come from the environment.
            file_system: Instead of the one that the URL names.

        Raises:
            ConfigError: fsspec has no such protocol, or its library is not installed.
        """
        self.url = url.rstrip("/")
        self.protocol = url.partition("://")[0] if "://" in url else "file"
        self.fs = file_system if file_system is not None else _file_system(self.protocol, dict(options or {}))
        self.root = str(self.fs._strip_protocol(self.url)).rstrip("/")  # noqa: SLF001 - fsspec's own way to do it
        self._expected: tuple[type[Exception], ...] = (OSError, *_library_errors(self.protocol))

    def address(self, name: str) -> str:
        """An object's URL, as others would write it."""
        return f"{self.url}/{name}" if "://" in self.url else f"file://{self.root}/{name}"

    def put(self, name: str, data: bytes) -> None:
        """Write an object: whole or not at all.

        Raises:
            VendorError: It may or may not be there now.
        """
        path = f"{self.root}/{name}"
        with self._classified(f"write {name}"):
            if self.protocol not in {"file", "local"}:
                self.fs.pipe_file(path, data)  # object stores show an object when its upload is complete
                return
            place = PurePosixPath(path)
            temporary = str(place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part"))
            self.fs.makedirs(str(place.parent), exist_ok=True)
            self.fs.pipe_file(temporary, data)
            self.fs.mv(temporary, path)

    def get(self, name: str) -> bytes | None:
        """An object's bytes; None where there is none.

        Raises:
            VendorError: The store cannot be reached or refuses.
        """
        with self._classified(f"read {name}"):
            try:
                data: bytes = self.fs.cat_file(f"{self.root}/{name}")
            except (FileNotFoundError, IsADirectoryError):
                return None
            return data

    def has(self, name: str, size: int) -> bool:
        """Whether an object of this size is there; enough for names that are hashes of their content.

        Raises:
            VendorError: The store cannot be reached or refuses.
        """
        with self._classified(f"look for {name}"):
            self.fs.invalidate_cache()
            try:
                return bool(self.fs.info(f"{self.root}/{name}").get("size") == size)
            except FileNotFoundError:
                return False

    def listing(self, folder: str) -> list[Entry]:
        """Every object below a folder, by name; files whose name or folder starts with a dot are left out.

        Raises:
            VendorError: The store cannot be reached or refuses.
        """
        with self._classified(f"list {folder}"):
            self.fs.invalidate_cache()
            top = f"{self.root}/{folder}".rstrip("/")
            try:
                found = self.fs.find(top, detail=True, **({"refresh": True} if self.protocol == "s3" else {}))
            except FileNotFoundError:
                return []
        entries = (_entry(path, info, self.root) for path, info in found.items() if info.get("type") != "directory")
        inside = len(folder)
        return sorted((e for e in entries if "/." not in e.name[inside:]), key=lambda e: e.name)

    def check(self) -> None:
        """Make sure that the folder's container is there and may be read.

        Raises:
            VendorError: It is not.
        """
        with self._classified("look at the store"):
            self.fs.invalidate_cache()
            if self.protocol in {"file", "local"}:
                self.fs.makedirs(self.root, exist_ok=True)
            self.fs.ls(self.root.partition("/")[0] if self.protocol in {"s3", "gs", "gcs"} else self.root)

    @contextmanager
    def _classified(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._expected as error:
            said = f"cannot {what} at {self.url}: {type(error).__name__} {error}"
            if isinstance(error, PermissionError) or type(error).__name__ in NO_CREDENTIALS:
                raise AuthRefused(f"{said}; credentials come from the environment only") from error
            if isinstance(error, OSError) and error.errno == BUSY_ERRNO:
                raise Throttled(said, retry_after_s=BUSY_S) from error
            raise Retryable(said) from error


def _file_system(protocol: str, options: dict[str, Any]) -> "AbstractFileSystem":
    import fsspec

    options |= {"skip_instance_cache": True}
    if protocol == "s3":
        options |= {"use_listings_cache": False}
        options.setdefault("config_kwargs", {"retries": {"max_attempts": 0}, "connect_timeout": 10, "read_timeout": 60})
    try:
        made = fsspec.filesystem(protocol, **options)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"no file system for {protocol}://: {error}; extras: s3 (s3fs), gs (gcsfs)") from error
    if protocol == "s3":
        made.retries = 1  # its own retries would hide an outage and sleep in a worker
    return made


def _library_errors(protocol: str) -> tuple[type[Exception], ...]:
    if protocol == "s3":
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        return (BotoCoreError, ClientError)
    if protocol in {"gs", "gcs"}:
        from google.auth.exceptions import GoogleAuthError

        return (importlib.import_module("gcsfs.retry").HttpError, GoogleAuthError)
    return ()


def _entry(path: str, info: Mapping[str, Any], root: str) -> Entry:
    tag = info.get("ETag") or info.get("md5Hash") or info.get("etag")
    modified = info.get("LastModified") or info.get("mtime") or info.get("updated")
    at = _moment(modified)
    size = int(info.get("size") or 0)
    return Entry(
        str(path).removeprefix(root + "/"), size, str(tag).strip('"') if tag else f"{size}-{modified}", at, bool(tag)
    )


def _moment(value: Any) -> datetime | None:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else None
