"""`tailfirst reconcile --from-vendor` over the command line: a vendor behind sockets, and one that sends no bill."""

from typing import Any

import pytest
import yaml

from tailfirst import cli
from tests.support.vendors import harness_csv, harness_rest
from tests.support.vendors import world as campaign


def asked(world: Any, capsys: Any, vendor: dict[str, Any], code: int) -> str:
    """What the command says in this workspace."""
    params = world.params.model_dump(mode="json", exclude_unset=True) | {"vendor": vendor}
    world.ws.params.write_text(yaml.safe_dump(params))
    capsys.readouterr()
    assert cli.run(["--root", str(world.root), "reconcile", "--from-vendor"]) == code
    said = capsys.readouterr()
    return " ".join((said.out + said.err).split())


def after_a_round(root: Any, make_kit: Any) -> campaign.World:
    campaign.write_folder(root)
    world = campaign.World(root, make_kit(root))
    world.batch(range(6))
    with world.context() as ctx:
        campaign.finish(ctx)
    return world


def test_rest(tmp_path: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = after_a_round(tmp_path, harness_rest.make_kit)
    url = world.kit.vendor().params.base_url
    monkeypatch.setenv("TAILFIRST_REST_API_KEY", harness_rest.KEY)
    vendor = {"plugin": "rest", "base_url": url}
    assert "clean: nothing to dispute" in asked(world, capsys, vendor, code=0)
    world.kit.vendor({"name": "invoice_mismatch", "rate": 1.0})
    assert "to dispute with the vendor (exit code 1)" in asked(world, capsys, vendor, code=1)


def test_a_spreadsheet(tmp_path: Any, capsys: Any) -> None:
    world = after_a_round(tmp_path, harness_csv.make_kit)
    said = asked(world, capsys, {"plugin": "csv"}, code=2)
    assert "vendor csv reports no costs (what is booked is our own price list): nothing to ask it for" in said
    assert "tailfirst reconcile STATEMENT" in said
