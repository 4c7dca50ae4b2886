"""What orchestration, tracking, versioning and checks add to a round, and what an idle tick costs.

    python benchmarks/round_overhead.py

A tiny campaign (precomputed vectors, milliseconds of science) runs by hand and through Prefect: what it takes is nearly
all overhead. Goals: <= 15 s a round, <= 4 s for an idle tick in a fresh process against a running server.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

ROUNDS = 2
BY_HAND = """
import sys
from pathlib import Path
from tailfirst import advance
from tailfirst.context import open_context
with open_context(Path(sys.argv[1])) as ctx:
    while advance.advance(ctx, until_idle=True).last.kind not in advance.IDLE:
        pass
"""


def timed(command: list[str], env: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=env, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    from flows import server
    from tailfirst import versioning
    from tests.support import tiny_workspace

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        by_hand, by_flow = (tiny_workspace.make(root / name) for name in ("hand", "flow"))
        for ws in (by_hand, by_flow):
            versioning.init_workspace(ws)
        env = {**os.environ, **server.environment(root), "OMP_WAIT_POLICY": "PASSIVE"}
        idle = [sys.executable, "-c", "pass"]
        hand = timed([sys.executable, "-c", BY_HAND, str(by_hand.root)], env)
        with server.running(root) as api:
            env["PREFECT_API_URL"] = api
            env["PREFECT_HOME"] = str(root / "state" / "prefect")
            campaign = [sys.executable, "-m", "flows.campaign", "--root", str(by_flow.root), "--poll-seconds", "0"]
            flow = timed(campaign, env)
            tick = timed([sys.executable, "-m", "flows.round", "--root", str(by_flow.root)], env)
            bare = timed([sys.executable, "-c", "import prefect"], env)
        print(f"campaign of {ROUNDS} rounds by hand   {hand:6.1f} s   {hand / ROUNDS:5.1f} s a round")
        print(f"campaign of {ROUNDS} rounds by flow   {flow:6.1f} s   {flow / ROUNDS:5.1f} s a round (goal <= 15)")
        ratio = f"{tick / bare:5.1f} x importing prefect alone"
        print(f"idle tick, fresh process      {tick:6.1f} s   {ratio} (goal <= 4 s)")
        print(f"bare interpreter              {timed(idle, env):6.2f} s")


if __name__ == "__main__":
    main()
