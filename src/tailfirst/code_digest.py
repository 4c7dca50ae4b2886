"""What a stage's result depends on besides its inputs: its source, the encoder's weights, the numeric packages."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from tailfirst import artifacts, config
from tailfirst.paths import Workspace

PACKAGES = ("numpy", "pyarrow", "scipy", "scikit-learn", "torch", "transformers", "tokenizers", "faiss-cpu", "pillow")
ENCODES = ("retrieve", "embed", "adapt", "control")


def code_digests(ws: Workspace, code: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """sha256 of each stage's source files (relative to the package), and of the numeric packages' versions.

    The bytes of a local encoder folder count as source of the stages that encode.
    """
    package = Path(__file__).parent
    found = {name: _digest(package, paths) for name, paths in code.items()}
    found["packages"] = _digest_text(f"{name} {_version(name)}" for name in PACKAGES)
    weights = _local_model(ws)
    if weights is not None:
        for name in ENCODES:
            found[name] = _digest_text([found[name], artifacts.sha256_tree(weights)])
    return found


def source_digest(code: Sequence[str]) -> str:
    """sha256 of source files (relative to the package) together with the numeric packages' versions."""
    packages = _digest_text(f"{name} {_version(name)}" for name in PACKAGES)
    return _digest_text([_digest(Path(__file__).parent, code), packages])


def _local_model(ws: Workspace) -> Path | None:
    options = config.load(ws.params).encoder.options if ws.params.exists() else {}
    folder = ws.root / str(options.get("model", ""))
    return folder if options.get("model") and folder.is_dir() else None


def _digest(package: Path, code: Iterable[str]) -> str:
    files = [p for c in code for p in _files(package / c)]
    return _digest_text(f"{p.relative_to(package).as_posix()} {artifacts.sha256_file(p)}" for p in files)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def _digest_text(lines: Iterable[str]) -> str:
    return artifacts.sha256_bytes("\n".join(lines).encode())


def _version(name: str) -> str:
    try:
        return metadata.version(name).partition("+")[0]  # +cpu and +cu12 give the same stages
    except metadata.PackageNotFoundError:
        return "absent"
