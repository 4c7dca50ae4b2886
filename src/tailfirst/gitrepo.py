"""The few git calls that a workspace needs, by subprocess."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tailfirst.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Revision:
    """The commit of a workspace; `sha` is empty where nothing was committed yet."""

    sha: str
    dirty: bool

    @property
    def text(self) -> str:
        """The sha, with `+` behind it when tracked files differ from it."""
        return f"{self.sha or 'none'}{'+' if self.dirty else ''}"


def run(root: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """One git command in a folder; variables of an outer git (hooks) do not reach it.

    Raises:
        ConfigError: git is missing or refuses; carries its words.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError as error:
        raise ConfigError("git is not installed; DVC needs it to version a workspace") from error
    if check and done.returncode:
        raise ConfigError(f"git {' '.join(arguments[:2])} in {root} failed: {(done.stderr or done.stdout).strip()}")
    return done


def top_level(root: Path) -> Path | None:
    """The root of the git repository that tracks this folder; None where there is none or where it ignores it."""
    done = run(root, "rev-parse", "--show-toplevel", check=False)
    if done.returncode:
        return None
    top = Path(done.stdout.strip()).resolve()
    ignored = top != root.resolve() and run(root, "check-ignore", "-q", ".", check=False).returncode == 0
    return None if ignored else top


def revision(root: Path) -> Revision:
    """HEAD and whether tracked files below the folder differ from it.

    Raises:
        ConfigError: Not a git repository.
    """
    require(root)
    head = run(root, "rev-parse", "--verify", "-q", "HEAD", check=False).stdout.strip()
    changed = run(root, "status", "--porcelain", "--untracked-files=no", "--", ".").stdout.strip()
    return Revision(head, bool(changed))


def require(root: Path) -> None:
    """Make sure that the folder lies in a git repository.

    Raises:
        ConfigError: It does not; says what to do.
    """
    if top_level(root) is None:
        raise ConfigError(f"{root} is no git repository; run `git init` there, or `tailfirst init` for a new workspace")


def commit(root: Path, files: Iterable[str], message: str) -> bool:
    """Commit exactly these files as they are now; False where nothing differs from HEAD. Other staged work stays."""
    names = list(files)
    run(root, "add", "--force", "--", *names)
    if revision(root).sha and not run(root, "diff", "--name-only", "HEAD", "--", *names).stdout.strip():
        return False
    run(root, *_identity(root), "commit", "-q", "--no-verify", "-m", message, "--", *names)
    return True


def tag(root: Path, name: str, message: str, files: Iterable[str]) -> None:
    """Put an annotated tag on HEAD; a tag that already holds the same files stays where it is.

    Raises:
        ConfigError: The tag exists and holds other files: a sealed round never moves.
    """
    if run(root, "rev-parse", "-q", "--verify", f"refs/tags/{name}", check=False).returncode:
        run(root, *_identity(root), "tag", "-a", name, "-m", message)
        return
    different = run(root, "diff", "--name-only", name, "HEAD", "--", *files).stdout.split()
    if different:
        raise ConfigError(
            f"tag {name} exists and holds other versions of {', '.join(different)}; a sealed round never moves: "
            f"look at `git diff {name}`, and delete the tag by hand if the round was rebuilt on purpose"
        )


def _identity(root: Path) -> tuple[str, ...]:
    known = run(root, "config", "user.email", check=False).stdout.strip()
    return () if known else ("-c", "user.name=tailfirst", "-c", "user.email=tailfirst@localhost")
