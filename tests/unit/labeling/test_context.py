from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tailfirst.config import Settings
from tailfirst.context import open_context
from tailfirst.errors import ConfigError, TaskFolderError
from tailfirst.task import ClassDef, Task, save_task


def write_params(world: Any) -> None:
    world.ws.params.write_text(yaml.safe_dump(world.params.model_dump(mode="json")))


def settings() -> Settings:
    return Settings(_env_file=None)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no params\.yaml at .*`tailfirst init`"):
        open_context(tmp_path, settings())


def test_no_task(world: Any) -> None:
    write_params(world)
    world.ws.task.unlink()
    with pytest.raises(TaskFolderError, match=r"no task at .*task\.yaml"):
        open_context(world.root, settings())
    assert not world.ws.ledger.exists()


def test_opens_the_workspace(world: Any) -> None:
    write_params(world)
    save_task(Task("tiny", "text", "1", (ClassDef("a", "a"), ClassDef("b", "b")), ("{}",)), world.ws.task)
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    with open_context(world.root, settings(), now=lambda: noon) as ctx:
        assert ctx.campaign == "tiny"
        assert ctx.vendor.name == "simulated"
        assert ctx.now() == noon
        assert ctx.ledger.money.status("tiny").cap == 1_000_000_000
        assert ctx.worker.rpartition(":")[2].isdigit()
    assert world.ws.ledger.exists()
