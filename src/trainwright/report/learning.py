"""How training went, what the model is worth beside its baselines, and what it uses: values and the words for them."""

import math
from dataclasses import dataclass

from trainwright.report.curves import Curve
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.reading import numbers, text, whole
from trainwright.report.words import amount, metric_label, plural, short


def panels(facts: Facts) -> list[str]:
    """Metrics worth a chart, the loss first, then the primary one: those with more than one point."""
    known = [m for m in facts.log.metrics() if any(len(c.steps) > 1 for c in curves_of(facts, m))]
    losses = [m for m in ("log_loss", "rmse", "loss", *known) if m in known and m != facts.primary]
    losses.sort(key=lambda m: -len(curves_of(facts, m)))  # one with both parts says more; the sort is stable
    primary = [facts.primary] if facts.primary in known else []
    # an engine's own loss of one part, such as the square of the RMSE beside it, says less than the metric alone
    losses = [m for m in losses[:1] if not primary or len(curves_of(facts, m)) >= len(curves_of(facts, primary[0]))]
    return [*losses, *primary] or known[:1]


def curves_of(facts: Facts, metric: str) -> list[Curve]:
    """The curves of a metric, training before validation."""
    return [c for part in ("train", "val") if (c := facts.log.curves.get((part, metric))) is not None]


def training_words(facts: Facts) -> tuple[str, str]:
    """Title and subtitle of the learning curves: which round was kept, why training ended, what decided."""
    unit, best = text(facts.model.get("unit"), "round"), whole(facts.model.get("rounds_best"))
    run, stopped = whole(facts.model.get("rounds_run")), text(facts.model.get("stopped_by"))
    if best is None or run is None:
        return "Learning curves", "training and validation"
    if best < run:
        title = f"Validation was best at {unit} {best:,}; {plural(run - best, f'further {unit}')} brought no gain"
    else:
        title = f"The last of {plural(run, unit)} was kept"
    why = {
        "early_stopping": "stopped early by patience",
        "rounds": f"all {unit}s of the plan were trained",
        "time_budget": "stopped by the time budget",
    }.get(stopped, stopped)
    watch = text(facts.model.get("watch"))
    why += f"; decided by validation {metric_label(watch)}" if watch else ""
    return title, f"{why}; shaded: trained but not kept" if best < run else why


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The model among its baselines on validation rows: (name, score, whether it is the model), the worst first."""

    title: str
    subtitle: str
    label: str
    rows: tuple[tuple[str, float, bool], ...]
    interval: tuple[float, float, float] | None


def standing(facts: Facts) -> Standing | None:
    """The model's primary metric beside the baselines'; None where there is nothing to compare."""
    value = facts.metric("val")
    rows = [(b.name, b.val, False) for b in facts.baselines if b.val is not None and math.isfinite(b.val)]
    if value is None or not rows:
        return None
    label = metric_label(facts.primary)
    better = max(rows, key=lambda r: r[1] if facts.higher_is_better else -r[1])
    if facts.losing:
        names = ", ".join(b.name for b in facts.losing)
        title = f"The model does not beat {names}: {label} {amount(value)} on validation rows"
    else:
        title = f"{label} {amount(value)}, against {amount(better[1])} of the best baseline ({better[0]})"
    interval = facts.interval("val")
    note = f"; line: {interval[2]:.0%} bootstrap interval" if interval else ""
    arrow = "higher is better" if facts.higher_is_better else "lower is better"
    model = (short(text(facts.model.get("family"), "model")), value, True)
    ordered = sorted([*rows, model], key=lambda r: r[1])
    return Standing(
        title=title,
        subtitle=f"{PART_NAMES['val']} rows, {arrow}{note}",
        label=label,
        rows=tuple(ordered if facts.higher_is_better else ordered[::-1]),
        interval=interval,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """Features by their share of the model's importance, the largest first."""

    title: str
    subtitle: str
    shares: tuple[tuple[str, float], ...]


def importance(facts: Facts, most: int = 20) -> Importance | None:
    """The features with the largest shares; None where the model tells none."""
    known = numbers(facts.model.get("importance"))
    ordered = sorted(known.items(), key=lambda item: (-item[1], item[0]))
    shown = [(n, v) for n, v in ordered[:most] if v > 0]
    if not shown:
        return None
    kind = text(facts.model.get("importance_kind"), "importance")
    name, value = shown[0]
    title = f"{short(name, 30)} carries {value:.0%} of the model's importance"
    if len(shown) >= 4:
        title += f", the first three {sum(v for _, v in shown[:3]):.0%}"
    of = f"{len(shown)} of {plural(len(known), 'feature')}"
    return Importance(
        title=title,
        subtitle=f"share of {kind}; {of}; what the model uses, not what is a cause",
        shares=tuple(shown),
    )
