"""The doctor on trainings that are ill in one way each, and on healthy ones: what it finds, repairs and costs.

    python benchmarks/clinic.py [--half tuning|held-out|all] [--only TEXT] [--draw N]

Prints Markdown: a table of what was found, the confusion of sick and healthy, how near repaired trainings come to
healthy ones and how much those vary by their seed, and the processor time of the doctor as a share of the training's.
Thresholds were set on the half `tuning`; figures to quote are those of `held-out`, or of all cases under a `--draw`
that nobody has looked at.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import geometric_mean

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.clinic.cases import Case, Seen, all_cases, healthy, load, run, tuning

from trainwright.core.events import Evaluated, Event
from trainwright.core.metrics import Metric, default_metric
from trainwright.doctor import layers, losses
from trainwright.doctor.examine import examine
from trainwright.doctor.history import Growing
from trainwright.fit.chart import WATCHED

_NEAR = 0.02  # the aim: a repaired training within 2% of a healthy one
_SEEDS = 5  # the same rows, other first weights and orders: how much the healthy loss varies by itself
_TIMES = 5  # a doctor's part takes milliseconds


@dataclass(frozen=True)
class Row:
    """A case, what came of it, and the processor seconds of the training and of the doctor's part in it."""

    case: Case
    seen: Seen
    train_s: float
    doctor_s: float

    @property
    def right(self) -> bool:
        """Found for what it is; for a healthy one: nothing found."""
        found = set(self.seen.codes) & set(self.case.expected)
        return bool(found) if self.case.expected else not self.seen.codes


def measure(case: Case, folder: Path) -> Row:
    """Train a case and examine it."""
    began = time.process_time()
    seen = run(case, folder)
    trained = time.process_time() - began
    began = time.process_time()
    for _ in range(_TIMES):
        attend(seen.events)
    return Row(case, seen, trained, (time.process_time() - began) / _TIMES)


def attend(events: tuple[Event, ...]) -> None:
    """What the driver has the doctor do: take in every event, look after evaluations, examine the whole at the end."""
    whole, since = Growing("fit"), Growing("fit", only=WATCHED)
    for event in events:
        whole.event(event)
        since.event(event)
        if isinstance(event.body, Evaluated):
            history = since.history()
            for symptom in (layers.burst, losses.exploding, losses.stuck, layers.exploding_gradients):
                symptom(history)
    examine(whole.history())


def found_table(rows: list[Row]) -> str:
    """One line a case."""
    lines = ["| training | half | found | repaired by | |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        half = "tuning" if tuning(row.case) else "held out"
        found = ", ".join(code.removeprefix("doctor.") for code in dict.fromkeys(row.seen.codes)) or "-"
        mark = "" if row.right else ("missed" if row.case.expected else "false alarm")
        lines.append(f"| {row.case.name} | {half} | {found} | {', '.join(row.seen.repairs) or '-'} | {mark} |")
    return "\n".join(lines)


def confusion(rows: list[Row]) -> str:
    """Sick and healthy against found and not found, by half."""
    lines = ["| half | sick, found | sick, missed | healthy, quiet | false alarms | recall |", "| --- " * 6 + "|"]
    for name, wanted in (("tuning", True), ("held out", False)):
        part = [row for row in rows if tuning(row.case) is wanted]
        sick = [row for row in part if row.case.expected]
        well = [row for row in part if not row.case.expected]
        hit, quiet = sum(row.right for row in sick), sum(row.right for row in well)
        if part:
            recall = f"{hit / len(sick):.2f}" if sick else "-"
            lines.append(f"| {name} | {hit} | {len(sick) - hit} | {quiet} | {len(well) - quiet} | {recall} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Healed:
    """A repaired training beside the healthy one of the same seed: how much worse its score and its loss are, as
    shares (below 0: better), and the losses of healthy seeds, its own first."""

    row: Row
    metric: Metric
    healthy: Seen
    losses: list[float]

    @property
    def score_off(self) -> float:
        """By the metric of the task."""
        ratio = _number(self.row.seen.score) / _number(self.healthy.score)
        return 1 - ratio if self.metric.higher_is_better else ratio - 1

    @property
    def loss_off(self) -> float:
        """By the loss that the task is trained to make small."""
        return _number(self.row.seen.loss) / _number(self.healthy.loss) - 1


def healed(rows: list[Row], folder: Path, draw: int) -> list[Healed]:
    """All trainings that were repaired and have a healthy one beside them."""
    curable = [row for row in rows if row.case.healthy_as and row.seen.repairs and row.seen.loss is not None]
    names = {row.case.healthy_as for row in curable}
    seeds: dict[str, list[Seen]] = {}
    for case in healthy():
        if case.name in names:
            again = [replace(case, draw=draw, seed=seed) for seed in range(_SEEDS)]
            seeds[case.name] = [run(one, folder / f"{case.name} {one.seed}") for one in again]
    return [
        Healed(
            row,
            default_metric(load(row.case.data)[2]),
            seeds[row.case.healthy_as][0],
            [seen.loss for seen in seeds[row.case.healthy_as] if seen.loss is not None],
        )
        for row in curable
    ]


def repaired_table(found: list[Healed], ill: int) -> str:
    """Repaired trainings beside healthy ones: score and loss on validation rows of the selected round. ``ill``: how
    many have a healthy one to come up to."""
    lines = [
        "| training | repaired by | metric | score | healthy | worse by | loss worse by | five healthy losses |",
        "| --- " * 8 + "|",
    ]
    for one in found:
        seen = one.row.seen
        lines.append(
            f"| {one.row.case.name} | {', '.join(seen.repairs)} | {one.metric.name} | {_number(seen.score):.4f} | "
            f"{_number(one.healthy.score):.4f} | {one.score_off:+.1%} | {one.loss_off:+.1%} | "
            f"{min(one.losses):.4f} to {max(one.losses):.4f} |"
        )
    if found:
        near = sum(one.score_off <= _NEAR for one in found)
        close = sum(one.loss_off <= _NEAR for one in found)
        usual = sum(_number(one.row.seen.loss) <= max(one.losses) for one in found)
        lines.append("")
        lines.append(
            f"Of {ill} curable ones {len(found)} were repaired and came to an end; {near} within 2% of the healthy "
            f"training of the same seed or better by the metric, {close} by the loss; {usual} not above the worst loss "
            f"of five healthy seeds; losses {min(o.loss_off for o in found):+.1%} to "
            f"{max(o.loss_off for o in found):+.1%}, geometric mean "
            f"{geometric_mean([1 + one.loss_off for one in found]) - 1:+.1%}."
        )
    return "\n".join(lines)


def _number(value: float | None) -> float:
    assert value is not None
    return value


def cost(rows: list[Row]) -> str:
    """The doctor's share of the processor time, its work done again on the events of the training."""
    doctor, total = sum(row.doctor_s for row in rows), sum(row.train_s for row in rows)
    units = sum(len(row.seen.history.of("unit_seconds").values) for row in rows)
    return (
        f"The doctor takes {1e6 * doctor / max(1, units):.0f} us of processor time a unit, {doctor / total:.2%} of "
        f"these trainings (units of {1e3 * total / max(1, units):.1f} ms on average, evaluation included)."
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("all", "tuning", "held-out"), default="all")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--draw", type=int, default=0, help="another split and seed of every case; 0: those of tuning")
    asked = parser.parse_args()
    cases = [replace(c, draw=asked.draw) for c in all_cases() if asked.only in c.name]
    if asked.half != "all":
        cases = [c for c in cases if tuning(c) is (asked.half == "tuning")]
    if not cases:
        parser.error(f"no case holds {asked.only!r}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = []
        for number, case in enumerate(cases):
            rows.append(measure(case, folder / str(number)))
            print(f"{number + 1}/{len(cases)} {case.name}", file=sys.stderr)
        ill = sum(bool(row.case.healthy_as) for row in rows)
        repaired = repaired_table(healed(rows, folder, asked.draw), ill)
        for part in (found_table(rows), confusion(rows), repaired, cost(rows)):
            print(part, end="\n\n")


if __name__ == "__main__":
    main()
