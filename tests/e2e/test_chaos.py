"""A short chaos run as `make chaos` starts it: over HTTP, with killed workers, webhooks and every fault armed."""

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "chaos.py"


def test_a_few_rounds_end_with_everything_accounted_for(tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), "--rounds", "3", "--seed", "4", "--root", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = done.stdout.splitlines()
    found = re.fullmatch(
        r"3 rounds, (\d+) items, (\d+) of (\d+) workers killed, \d+ s, rest, sqlite: unaccounted 0, lost 0, "
        r"paid twice 0, booked apart 0, broken 0, vendor (.+) USD, ledger \4 USD, invoice \4 USD",
        lines[-1],
    )
    assert found is not None, lines[-1]
    items, killed, workers = map(int, found.group(1, 2, 3))
    assert 3 * 5 <= items <= 3 * 6  # gold is asked again, and so are second opinions
    assert 0 < killed < workers
    struck = next(line for line in lines if line.startswith("faults that struck: "))
    assert len(struck.split(", ")) >= 8
    received = next(line for line in lines if line.startswith("webhooks received: "))
    assert " stored" in received
    assert not list(tmp_path.iterdir())  # nothing stays behind


def test_what_goes_wrong_is_told(tmp_path: Path) -> None:
    """It finds an answer that no folder holds, a charge that came twice, and a folder that was changed by hand."""
    import sqlite3

    from tailfirst.labeling.fold import sealed_folders
    from tests.support.chaos.audit import audit
    from tests.support.vendors import harness_simulated
    from tests.support.vendors.world import World, finish, write_folder

    write_folder(tmp_path)
    world = World(tmp_path, harness_simulated.make_kit(tmp_path, hours_per_poll=24))
    world.batch(range(4), n_audit=1)
    book = world.ws.vendor / "simulated.db"
    with world.context() as ctx:
        finish(ctx)
        assert audit(ctx, book).clean
        with sqlite3.connect(book) as db:
            db.execute("UPDATE results SET revision = '7' WHERE rowid = 1")
            db.execute("INSERT INTO charges SELECT line_id || '-again', batch, key, amount_micros, currency, at, kind"
                       " FROM charges WHERE rowid = 1")  # fmt: skip
        db.close()
        file = sealed_folders(world.ws)[0] / "quality.json"
        file.write_bytes(file.read_bytes() + b"\n")
        found = audit(ctx, book)
    assert not found.clean
    assert [len(found.lost), len(found.twice)] == [1, 1]
    assert any("round 1" in one for one in found.apart)
    assert "the folder of round 1 is not what was sealed" in found.broken
