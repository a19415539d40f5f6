"""Torch's elastic launcher in a process of its own: starts the workers of this machine, and says which one failed.

``python -m trainwright.fit.agent RUN PROCESSES NODES ADDRESS PORT``. It starts no worker twice: a lost rank ends the
fit, which a resume takes up from the last checkpoint.
"""

import signal
import sys
from pathlib import Path
from typing import Any

from trainwright.fit.handover import folder_of
from trainwright.fit.worker import end_with_parent
from trainwright.run.files import write_json

SHUTDOWN_S = 10  # assumption: what is left of a fit whose rank was lost needs no longer to end
JOIN_S = 900  # torchrun's own limit for machines to meet


def launch(run: Path, processes: int, nodes: int, address: str, port: int) -> int:
    """Start the workers and wait for them; the exit code."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logs = folder_of(run) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    alone = nodes == 1
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=processes,
        run_id=run.name,
        rdzv_backend="c10d" if alone else "static",
        rdzv_endpoint="localhost:0" if alone else f"{address}:{port}",
        rdzv_configs={"timeout": JOIN_S} if alone else {"rank": 0, "timeout": JOIN_S},
        local_addr="localhost" if alone else address,
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=str(logs), redirects=Std.ALL),
        shutdown_timeout=SHUTDOWN_S,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "trainwright.fit.worker", str(run))
    except ChildFailedError as error:
        write_json(
            folder_of(run) / "failures.json", {"failures": [_told(r, f, logs) for r, f in error.failures.items()]}
        )
        return 1
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _told(rank: int, failure: Any, logs: Path) -> dict[str, object]:
    """One failed worker: its signal or exit code, and the last thing it said."""
    said = [path for path in logs.rglob("stderr.log") if path.parent.name == str(failure.local_rank)]
    lines = said[0].read_text(encoding="utf-8", errors="replace").strip().splitlines() if said else []
    code = int(failure.exitcode)
    return {
        "rank": rank,
        "exit_code": code,
        "signal": signal.Signals(-code).name if code < 0 else "",
        "said": lines[-1] if lines else "",
    }


def main() -> None:
    """The entry."""
    end_with_parent()
    run, processes, nodes, address, port = sys.argv[1:]
    sys.exit(launch(Path(run), int(processes), int(nodes), address, int(port)))


if __name__ == "__main__":
    main()
