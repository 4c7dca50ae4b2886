"""Prefect's and MLflow's pages of a workspace, until Ctrl-C.

python -m flows.ui --root .
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from flows import server

PREFECT_PORT, MLFLOW_PORT = 4200, 5000
RUNS = "#/experiments?workflowType=machine_learning"  # without it MLflow's pages open on traces of agents


def main() -> int:
    """Start both servers on loopback, say where they are, stop them at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--prefect-port", type=int, default=PREFECT_PORT)
    parser.add_argument("--mlflow-port", type=int, default=MLFLOW_PORT)
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    store = root / "mlruns" / "mlflow.db"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store}", "--host", "127.0.0.1"),
        *("--port", str(arguments.mlflow_port), "--workers", "1"),
    ]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with server.running(root, arguments.prefect_port):
        tracking = subprocess.Popen(command, env=env)
        sys.stdout.write(
            f"Prefect: http://127.0.0.1:{arguments.prefect_port}\n"
            f"MLflow:  http://127.0.0.1:{arguments.mlflow_port}/{RUNS}\n"
            f"Reports: {root / 'work' / 'report' / 'index.html'}\nCtrl-C ends all.\n"
        )
        try:
            return tracking.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            tracking.terminate()
            tracking.wait()


if __name__ == "__main__":
    sys.exit(main())
