"""What watching a training costs: gradient statistics at their usual interval, and reading the machine's use.

    python benchmarks/torch_statistics.py [--networks mlp cnn transformer] [--rounds 15] [--threads 1]

Two sessions of the same job take turns, an epoch each: one looks at every step, one at none. What looking adds to a
step, divided by the usual interval of 50, is the cost. It is the median over neighbouring turns, so what else the
machine does weighs on both sides alike. Below it: the microseconds of one reading of processor and memory, which is
done once a unit.
"""

import argparse
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from torch_loop import make_job, make_work

from trainwright.engines.contract import Job, Session
from trainwright.engines.torch import open as open_session

EVERY = 50  # steps, the recipe's default


def with_statistics(job: Job, every: int) -> Job:
    """The job with another interval."""
    recipe = job.plan.options["recipe"]
    assert isinstance(recipe, dict)
    options = {**job.plan.options, "recipe": {**recipe, "statistics_every": every}}
    return replace(job, plan=replace(job.plan, options=options))


def epoch(units: "object") -> float:
    """Seconds of the next whole epoch."""
    seconds = 0.0
    for unit in units:  # type: ignore[attr-defined]
        seconds += unit.seconds
        if unit.whole:
            break
    return seconds


def ratios(network: str, rounds: int, threads: int, folder: Path) -> list[float]:
    """Seconds of an epoch with statistics at every step over one without, a number a turn."""
    work = make_work(network)
    sessions: list[Session] = [
        open_session(with_statistics(make_job(work, rounds + 1, threads, folder), every)) for every in (1, 0)
    ]
    turns = [session.units() for session in sessions]
    found = []
    for turn in range(rounds + 1):
        order = (0, 1) if turn % 2 else (1, 0)
        took = {k: epoch(turns[k]) for k in order}
        if turn:  # the first one allocates
            found.append(took[0] / took[1])
    for session in sessions:
        session.close()
    return found


def reading_us(times: int = 2_000) -> float:
    """Microseconds of one reading."""
    import torch

    from trainwright.engines.torch.usage import Usage

    usage = Usage(torch.device("cpu"))
    began = time.perf_counter()
    for _ in range(times):
        usage.read()
    return 1e6 * (time.perf_counter() - began) / times


def main() -> None:
    """Print one table row a network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["mlp", "cnn", "transformer"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(f"{options.rounds} turns, {options.threads} thread(s), {platform.machine()}\n")
    print(f"| network | a watched step over a plain one | cost at one in {EVERY} | quartiles |")
    print("| --- | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for network in options.networks:
            found = ratios(network, options.rounds, options.threads, Path(folder))
            ratio = statistics.median(found)
            low, middle, high = ((r - 1) / EVERY for r in statistics.quantiles(found, n=4))
            print(f"| {network} | {ratio:.2f} | {middle:.1%} | {low:.1%} to {high:.1%} |", flush=True)
    print(f"\none reading of the machine's use: {reading_us():.0f} us")


if __name__ == "__main__":
    main()
