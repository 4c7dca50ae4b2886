"""From a model's name to the folder that holds it: a packaged model, a local folder, or a hub id."""

import functools
import importlib.util
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from tailfirst.encoders._digests import MODEL_FILES
from tailfirst.errors import ConfigError, Unavailable
from tailfirst.paths import Workspace

HUB_SECONDS = 5.0
logger = logging.getLogger(__name__)


def packaged(package: str, *inside: str) -> Path | None:
    """A folder inside an installed package, found without importing the package; None where it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*inside)


def model_folder(model: str, revision: str | None, ws: Workspace, words: Mapping[str, Path | None]) -> Path:
    """The folder of a model.

    Args:
        model: One of `words`, a folder (absolute or relative to the workspace), or a hub id.
        revision: Commit, tag or branch of a hub id; unused for folders.
        ws: The workspace.
        words: Words that stand for packaged folders; None where the package is not installed.

    Raises:
        ConfigError: Neither a folder nor anything that could be a hub id.
        Unavailable: A packaged model that is not installed, or a hub id that is not cached and cannot be fetched.
    """
    if model in words:
        folder = words[model]
        if folder is None or not (folder / "config.json").is_file():
            raise Unavailable(f"model {model!r} is not installed here (looked at {folder or 'its package'})")
        return folder
    local = ws.root / Path(model).expanduser()
    if local.is_dir():
        if not (local / "config.json").is_file():
            raise ConfigError(f"{local} is a folder without config.json; it should be what save_pretrained writes")
        return local
    if model.count("/") > 1 or model.startswith((".", "~")) or Path(model).is_absolute():
        raise ConfigError(f"no model folder {local}; other models: {', '.join(words)}, or a hub id such as owner/name")
    return _from_hub(model, revision)


def _from_hub(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if revision is None:
        _warn_unpinned(model)
    try:
        folder = Path(
            snapshot_download(model, revision=revision, allow_patterns=list(MODEL_FILES), local_files_only=True)
        )
    except HFValidationError as error:
        raise ConfigError(f"{model!r} is neither a folder nor a hub id: {error}") from error
    except LocalEntryNotFoundError:
        return _download(model, revision)
    return folder if _whole(folder) else _download(model, revision)


@functools.cache
def _warn_unpinned(model: str) -> None:
    logger.warning("encoder model %s has no revision: pin one in params.yaml, or its owner can change it", model)


def _whole(folder: Path) -> bool:
    return (folder / "config.json").exists() and any(
        any(folder.glob(pattern)) for pattern in ("*.safetensors", "pytorch_model*.bin")
    )


def _download(model: str, revision: str | None) -> Path:
    """Ask the hub once with a short limit, so that a machine without a network hears about it in seconds."""
    import httpx
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    named = f"model {model!r}" + (f" at {revision}" if revision else "")
    help_text = "give a local folder, fill the hub cache (HF_HOME) on a machine with a network, or use `demo`"
    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "0").lower() in {"1", "true", "yes", "on"}:
        raise Unavailable(f"{named} is not in the hub cache and HF_HUB_OFFLINE is set: {help_text}")
    url = f"{constants.ENDPOINT}/api/models/{model}"
    try:
        httpx.head(url, timeout=HUB_SECONDS, follow_redirects=True)
        files = HfApi().model_info(model, revision=revision, timeout=HUB_SECONDS).siblings or []
        safe = any(file.rfilename.endswith(".safetensors") for file in files)
        wanted = [pattern for pattern in MODEL_FILES if not (safe and "pytorch_model" in pattern)]
        return Path(snapshot_download(model, revision=revision, allow_patterns=wanted))
    except HfHubHTTPError as error:
        raise ConfigError(f"{named}: the hub answers {error}; check the id and the revision") from error
    except (httpx.HTTPError, OSError) as error:
        raise Unavailable(
            f"{named} is not in the hub cache and the hub cannot be reached ({error}): {help_text}"
        ) from error
