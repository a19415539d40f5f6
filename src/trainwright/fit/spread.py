"""The parent's side of a fit by several processes: starts them, passes signals and events on, takes up the result."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.core.errors import SpecError, TrainingFailed
from trainwright.core.events import Body, Evaluated, Event, Finished, Found, Repaired, Saved, Started, Trained
from trainwright.core.findings import Finding, Severity, finding_from_json
from trainwright.fit.handover import Order, folder_of, read_outcome, stop_file, write_order
from trainwright.fit.recorder import Listener
from trainwright.fit.stop import StopRequest
from trainwright.run.files import read_json, write_text

if TYPE_CHECKING:
    from trainwright.spec.loop import Distributed

_LOOK_EVERY_S = 0.1  # assumption: progress on a screen may be that late
_END_S = 15.0  # the agent gives its workers ten seconds (`trainwright.fit.agent.SHUTDOWN_S`)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How many processes train: ``processes`` on each of ``nodes`` machines."""

    strategy: str
    processes: int
    nodes: int

    @property
    def size(self) -> int:
        """All processes together."""
        return self.processes * self.nodes


def world_of(wanted: "Distributed | None", device: str) -> tuple[World, list[Finding]]:
    """The processes of a training, and what is to be said of them.

    Raises:
        SpecError: more processes than GPUs.
    """
    if wanted is None:
        return World(strategy="", processes=1, nodes=1), []
    processes, found = wanted.processes, list[Finding]()
    gpus = _gpus() if device == "cuda" else 0
    if not isinstance(processes, int):
        processes = max(1, gpus)
        found.append(_chosen(processes, gpus))
    elif device == "cuda" and processes > gpus:
        raise SpecError(
            f"training.distributed.processes: {processes} is more than the {gpus} GPUs that torch sees, and each "
            "process takes one. Write auto, or fewer"
        )
    return World(strategy=wanted.strategy, processes=processes, nodes=wanted.nodes), found


def fit_by_workers(
    run: Path, order: Order, world: World, *, stop: StopRequest, listeners: Sequence[Listener], log: Path
) -> tuple[Finding, ...]:
    """Have workers do a fit; its result is in the run's checkpoints. What they found.

    Raises:
        TrainingFailed: a rank was lost, or training broke.
        Stopped: a signal came in; a checkpoint was saved first.
    """
    folder = folder_of(run)
    for left in ("outcome.json", "failures.json", "stop"):
        (folder / left).unlink(missing_ok=True)
    write_order(run, order)
    agent = _start(run, world)
    try:
        _attend(agent, run, stop, _Tail(log, listeners))
    finally:
        _end(agent)
    outcome, failures = read_outcome(run), _failures(run)
    # the leader may have noticed first that a connection is gone: what it says of that is not the cause
    broke = outcome is not None and isinstance(outcome.error, TrainingFailed)
    if outcome is None or (broke and any(f["rank"] or _was_killed(f) for f in failures)):
        raise TrainingFailed(_lost(run, world, failures))
    if outcome.error is not None:
        raise outcome.error
    return outcome.findings


def join_command(run: Path, world: World, address: str, port: int) -> str:
    """What to type on the other machines."""
    return (
        f"torchrun --nnodes {world.nodes} --node-rank K --nproc-per-node {world.processes} "
        f"--master-addr {address} --master-port {port} -m trainwright.fit.worker {run.absolute()}"
    )


def _start(run: Path, world: World) -> "subprocess.Popen[bytes]":
    address, port = socket.gethostname(), _free_port() if world.nodes > 1 else 0
    if world.nodes > 1:
        print(f"On the other machines (K = 1 to {world.nodes - 1}): {join_command(run, world, address, port)}",
              file=sys.stderr, flush=True)  # fmt: skip
    numbers = [str(n) for n in (world.processes, world.nodes)]
    command = [sys.executable, "-m", "trainwright.fit.agent", str(run.absolute()), *numbers, address, str(port)]
    said = (folder_of(run) / "agent.log").open("wb")
    with said:
        # a session of its own: Ctrl-C reaches the parent alone, which passes it on
        return subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True)


def _attend(agent: "subprocess.Popen[bytes]", run: Path, stop: StopRequest, tail: "_Tail") -> None:
    """Wait for the end, with an eye on signals and events."""
    asked = False
    while agent.poll() is None:
        tail.pass_on()
        if stop.requested and not asked:
            write_text(stop_file(run), str(stop.signal_number))
            asked = True
        time.sleep(_LOOK_EVERY_S)
    tail.pass_on()


def _end(agent: "subprocess.Popen[bytes]") -> None:
    """Leave nothing running, whatever happened."""
    if agent.poll() is not None:
        return
    agent.terminate()
    try:
        agent.wait(_END_S)
    except subprocess.TimeoutExpired:
        agent.kill()  # its workers see that and end
        agent.wait()


def _failures(run: Path) -> list[Mapping[str, Any]]:
    """How each rank ended that did not end well; the launcher's word."""
    path = folder_of(run) / "failures.json"
    document: Any = read_json(path) if path.is_file() else {"failures": []}
    return list(document["failures"])


def _was_killed(failure: Mapping[str, Any]) -> bool:
    """Whether somebody else than the launcher, which sends SIGTERM, ended a rank."""
    return failure["signal"] not in ("", "SIGTERM")


def _lost(run: Path, world: World, failures: Sequence[Mapping[str, Any]]) -> str:
    """Which rank ended the fit, and how to go on."""
    again = f"`trainwright resume {run}` goes on from the last checkpoint."
    if not failures:
        lines = (folder_of(run) / "agent.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return (
            f"the processes of the training could not be started: {lines[-1] if lines else 'no reason given'}. {again}"
        )
    first = min(failures, key=_far_from_cause)
    how = f"was killed by {first['signal']}" if first["signal"] else f"ended with exit code {first['exit_code']}"
    said = f" ({first['said']})" if first["said"] and not first["signal"] else ""
    return f"rank {first['rank']} of {world.size} {how}{said}, so the other processes were ended. {again}"


def _far_from_cause(failure: Mapping[str, Any]) -> tuple[bool, bool, bool, int]:
    """One that was killed is the cause, then one that ended with a code of ours: the others miss their connections,
    which is exit code 1."""
    return not _was_killed(failure), failure["signal"] == "SIGTERM", failure["exit_code"] == 1, failure["rank"]


class _Tail:
    """Passes on the events that a leader appends to the log."""

    def __init__(self, log: Path, listeners: Sequence[Listener]) -> None:
        self._log, self._listeners = log, listeners
        self._position = log.stat().st_size if log.exists() else 0

    def pass_on(self) -> None:
        """What is new and whole."""
        with self._log.open("rb") as file:
            file.seek(self._position)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.splitlines():
            event = event_from_json(json.loads(line))
            for listener in self._listeners:
                listener(event)


_BODIES: Mapping[str, type[Body]] = {
    body.__name__.lower(): body for body in (Started, Trained, Evaluated, Saved, Repaired, Finished)
}


def event_from_json(value: Mapping[str, Any]) -> Event:
    """Read back a line of the log."""
    fields = {key: one for key, one in value.items() if key not in ("event", "step", "time_s")}
    body: Body
    if value["event"] == "found":
        body = Found(finding=finding_from_json(fields["finding"]))
    else:
        body = _BODIES[value["event"]](**fields)
    return Event(int(value["step"]), float(value["time_s"]), body)


def _chosen(processes: int, gpus: int) -> Finding:
    why = f"one for each of {gpus} GPUs" if gpus else "there is one on a CPU; its cores are used by threads"
    return Finding(
        code="distributed.processes",
        severity=Severity.INFO,
        where="training.distributed.processes",
        what=f"auto took {processes}: {why}",
        fix="" if gpus else "Write a number to train with several processes all the same",
        evidence={"processes": processes, "gpus": gpus},
    )


def _gpus() -> int:
    from trainwright.engines.torch.distributed.team import count_gpus

    return count_gpus()


def _free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
