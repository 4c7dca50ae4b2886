"""kill -9 anywhere, start again: the same ledger, the same bytes, nothing paid twice."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tailfirst import advance as advancing
from tailfirst import steps
from tailfirst.context import open_context
from tailfirst.paths import Workspace


def in_child(work) -> int:
    """Run `work` in a fork; the exit status of the child (negative: the signal that ended it)."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def to_the_end(root: Path, kill_after: int | None = None, kill_before: int | None = None) -> None:
    """Advance until done; SIGKILL this process after (or before) the n-th act that it performs."""
    count, perform = 0, steps.perform

    def counted(ctx, act):
        nonlocal count
        count += 1
        if count == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        sentence = perform(ctx, act)
        if count == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return sentence

    steps.perform = counted
    with open_context(root) as ctx:
        while advancing.advance(ctx, until_idle=True).last.kind not in advancing.IDLE:
            pass


def outcome(ws: Workspace) -> dict[str, object]:
    with open_context(ws.root) as ctx:
        ledger = ctx.ledger.fingerprint("tiny")
        state = ctx.ledger.rounds.current("tiny").state
    book = sqlite3.connect(ws.vendor / "simulated.db")
    charges = sorted(book.execute("select count(*), sum(amount_micros) from charges").fetchall())
    book.close()
    files = {
        p.relative_to(ws.root).as_posix(): p.read_bytes()
        for p in sorted(ws.rounds.rglob("*"))
        if p.is_file() and p.name != "events.jsonl"
    }
    return {"ledger": ledger, "state": state, "charges": charges, "files": files, "batch": ws.batch.read_bytes()}


@pytest.mark.slow
@pytest.mark.parametrize("when", ["after", "before"])
def test_killed_at_every_act(workspace, when):
    one_round = {"stopping": {"max_rounds": 1}}
    whole, broken = workspace("whole", **one_round), workspace("broken", **one_round)
    assert in_child(lambda: to_the_end(whole.root)) == 0
    killed, nth = 0, 1
    state = None
    while True:
        given = {f"kill_{when}": nth}
        status = in_child(lambda given=given: to_the_end(broken.root, **given))
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        with open_context(broken.root) as ctx:
            row = ctx.ledger.rounds.current("tiny")
        now = row.state if row else None
        nth = 1 if now != state and when == "after" else nth + 1  # a step starts over from its first act
        state = now
        assert killed < 120
    assert killed >= 15
    assert outcome(broken) == outcome(whole)


@pytest.mark.slow
def test_the_flow_killed_in_every_state(workspace, run_campaign, prefect_env):
    one_round = {"stopping": {"max_rounds": 1}}
    whole, broken = workspace("whole", **one_round), workspace("broken", **one_round)
    assert run_campaign(whole).returncode == 0
    command = [sys.executable, "-m", "flows.campaign", "--root", str(broken.root), "--poll-seconds", "0"]
    killed: list[str] = []
    ended = False
    while not ended:
        process = subprocess.Popen(
            command,
            env=prefect_env,
            cwd=prefect_env["PYTHONPATH"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while (ended := process.poll() is not None) is False:
            state = seen(broken)
            if state is not None and state not in killed:
                process.send_signal(signal.SIGKILL)
                killed.append(state)
                break
            time.sleep(0.01)
        process.wait()
    assert run_campaign(broken).returncode == 0
    assert len(killed) >= 5, killed
    assert outcome(broken) == outcome(whole)


def seen(ws: Workspace) -> str | None:
    """The round's state, read without opening the ledger's own code."""
    if not ws.ledger.exists():
        return None
    connection = sqlite3.connect(f"file:{ws.ledger}?mode=ro", uri=True)
    try:
        row = connection.execute("select state from rounds order by round_no desc limit 1").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
    return row[0] if row else None


def test_two_ticks_at_once_one_wins_the_other_says_so(workspace):
    ws = workspace()
    with open_context(ws.root) as ctx, advancing.holding(ctx):
        script = (
            "import sys; from pathlib import Path\n"
            "from tailfirst.advance import advance; from tailfirst.context import open_context\n"
            f"with open_context(Path({str(ws.root)!r})) as ctx: advance(ctx)"
        )
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "another tick holds campaign tiny" in other.stderr
        assert ctx.ledger.rounds.current("tiny") is None


def test_a_dead_holder_does_not_block(workspace):
    ws = workspace()

    def hold_and_die() -> None:
        with open_context(ws.root) as ctx, advancing.holding(ctx):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(hold_and_die) == -signal.SIGKILL
    with open_context(ws.root) as ctx, advancing.holding(ctx):
        pass
