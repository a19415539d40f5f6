"""The report's tables, as Markdown."""

import json
from collections.abc import Mapping

from trainwright.core.findings import Severity
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.core.tasks import Task
from trainwright.report.artifacts import saved_files
from trainwright.report.classes import class_scores
from trainwright.report.facts import PART_NAMES, CrossValidationFact, Facts
from trainwright.report.markdown import Table, escape, table
from trainwright.report.words import amount, count, duration, metric_label, size, stage_name

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def metrics_table(facts: Facts, parts: tuple[str, ...], *, averages: bool = True) -> Table:
    """All metrics of the parts, the primary one first and in bold; ``averages`` over two classes may be left out."""
    names = list(dict.fromkeys(name for part in parts for name in facts.metrics.get(part, {})))
    names = names if averages else _without_averages(facts, names)
    names.sort(key=lambda n: n != facts.primary)
    header = ["Metric", "Score"] if parts == ("val",) else ["Metric", *(PART_NAMES[p] for p in parts)]
    rows = []
    for name in names:
        cells = [metric_label(name), *(amount(facts.metric(part, name)) for part in parts)]
        cells = [escape(c) for c in cells]
        rows.append([f"**{c}**" for c in cells] if name == facts.primary else cells)
    return table(header, rows)


def _without_averages(facts: Facts, names: list[str]) -> list[str]:
    """Of two classes the means over both add little to the scores of the positive one."""
    if facts.task is not Task.BINARY:
        return names
    return [n for n in names if n == facts.primary or not n.endswith(("_macro", "_weighted"))]


def interval_lines(facts: Facts, parts: tuple[str, ...]) -> str:
    """The primary metric's bootstrap interval of each part that has one, as a sentence."""
    found = [(PART_NAMES[p].lower(), i) for p in parts if (i := facts.interval(p)) is not None]
    words = (f"{part} {amount(low)} to {amount(high)} ({level:.0%})" for part, (low, high, level) in found)
    return f"Bootstrap interval of {metric_label(facts.primary)}: {'; '.join(words)}." if found else ""


def baselines_table(facts: Facts) -> Table:
    """The model among its baselines, best validation score first."""
    family = str(facts.model.get("family", "model"))
    rows = [(f"**{escape(family)} (the model)**", facts.rows("train"), facts.metric("val"), facts.metric("test"), "")]
    verdicts = {True: "yes", False: "**no**", None: "unknown"}
    rows += [(escape(b.name), b.rows, b.val, b.test, verdicts[b.beaten]) for b in facts.baselines]
    worst = float("-inf") if facts.higher_is_better else float("inf")
    rows.sort(key=lambda r: worst if r[2] is None else r[2], reverse=facts.higher_is_better)
    label = escape(metric_label(facts.primary))
    header = ["Model", "Training rows", f"Validation {label}", f"Test {label}", "Beaten by the model"]
    return table(header, [[n, count(r), amount(v), amount(t), b] for n, r, v, t, b in rows])


def folds_table(facts: Facts) -> str:
    """Every fold with its primary metric, then mean and standard deviation of all metrics."""
    folds = facts.cross_validation
    return "" if folds is None else f"{each_fold(facts, folds)}\n\n{over_folds(facts, folds)}"


def each_fold(facts: Facts, folds: CrossValidationFact) -> Table:
    """Every fold with its primary metric."""
    return table(
        ["Fold", "Held-out rows", "Rounds kept", escape(metric_label(facts.primary))],
        [[str(f.number), count(f.rows), count(f.rounds), amount(f.metrics.get(facts.primary))] for f in folds.folds],
    )


def over_folds(facts: Facts, folds: CrossValidationFact, *, averages: bool = True) -> Table:
    """Mean and standard deviation of all metrics over the folds, the primary one first."""
    names = sorted(folds.mean, key=lambda n: (n != facts.primary, n))
    names = names if averages else _without_averages(facts, names)
    spread = [[escape(metric_label(n)), amount(folds.mean[n]), amount(folds.std.get(n))] for n in names]
    return table(["Metric", "Mean", "Standard deviation"], spread)


def checks_table(facts: Facts) -> Table:
    """Every check with its verdict; what is not fine in bold."""
    rows = []
    for check in facts.checks:
        verdict = check.verdict if check.verdict in ("ok", "clean") else f"**{escape(check.verdict)}**"
        rows.append([escape(check.name), verdict + (" (lifted)" if check.lifted else ""), escape(check.saw)])
    return table(["Check", "Verdict", "What it saw"], rows)


def findings_table(facts: Facts) -> Table:
    """Every finding, the gravest first."""
    ordered = sorted(facts.findings, key=lambda f: _ORDER.index(f.severity))
    rows = []
    for found in ordered:
        fix = " ".join(part if part.endswith(".") else f"{part}." for part in (found.why, found.fix) if part)
        severity = found.severity.value if found.severity is Severity.INFO else f"**{found.severity.value}**"
        rows.append([severity, escape(found.code), escape(found.where), escape(found.what), escape(fix)])
    return table(["Severity", "Code", "Where", "What", "Why and what to do"], rows)


def search_table(facts: Facts, params: Mapping[str, JsonValue]) -> Table:
    """The mission's ranking; without a search it has the one configuration that was used."""
    shown = escape(json.dumps(to_json(params), ensure_ascii=False)) if params else "the family's defaults"
    row = ["1", shown, amount(facts.metric("val")), amount(facts.metric("train"))]
    return table(["Rank", "Configuration", "Val Score", "Train Score"], [row])


def files_table(facts: Facts) -> Table:
    """What the run saved."""
    sizes = {"run.json": "grows with the run"}
    rows = [
        [
            f"`{row.path}`" if "`" not in row.path and "|" not in row.path else escape(row.path),
            row.description,
            sizes.get(row.path) or ("written with this report" if row.size is None else size(row.size)),
        ]
        for row in saved_files(facts.files)
    ]
    return table(["File", "Description", "Size"], rows)


def classes_table(facts: Facts) -> Table | None:
    """Every class with its scores on held-out rows; None for other targets."""
    scores = class_scores(facts)
    if not scores:
        return None
    rows = [
        [
            escape(s.name), count(s.rows), amount(s.precision), amount(s.recall), amount(s.f1),
            f"{escape(s.taken_for)} ({s.taken:,})" if s.taken else "-",
        ]
        for s in scores
    ]  # fmt: skip
    return table(["Class", "Rows", "Precision", "Recall", "F1", "Most often taken for"], rows)


def mistakes_table(facts: Facts, most: int = 12) -> Table | None:
    """The held-out rows the model was most wrong about, the worst first; None without any."""
    import numpy as np

    held = facts.held_out()
    if held is None or not len(held):
        return None
    if facts.task is Task.REGRESSION:
        error = np.abs(held.predicted - held.y)
        worst = np.argsort(-error, kind="stable")[:most]
        rows = [
            [
                str(int(held.rows[i])),
                amount(float(held.y[i])),
                amount(float(held.predicted[i])),
                amount(float(error[i])),
            ]
            for i in worst
        ]
        return table(["Row", "Actual", "Predicted", "Error"], rows)
    if not facts.task.is_classification:
        return None
    wrong = np.flatnonzero(held.y != held.predicted)
    claimed = held.probability[wrong, held.predicted[wrong]]
    chosen = [int(i) for i in wrong[np.argsort(-claimed, kind="stable")[:most]]]
    rows = [
        [
            str(int(held.rows[i])), escape(held.classes[int(held.y[i])]), escape(held.classes[int(held.predicted[i])]),
            f"{held.probability[i, held.predicted[i]]:.1%}", f"{held.probability[i, held.y[i]]:.1%}",
        ]
        for i in chosen
    ]  # fmt: skip
    return table(["Row", "True", "Predicted", "Claimed", "Given to the true class"], rows) if rows else None


def features_table(facts: Facts) -> Table | None:
    """Every column: kind, role, blanks and distinct values in training rows, and why it got its role."""
    rows = [
        [escape(c.name), escape(c.kind), escape(c.role), count(c.missing), count(c.distinct), escape(c.why)]
        for c in facts.columns
    ]
    return table(["Column", "Kind", "Role", "Missing", "Distinct", "Why"], rows) if rows else None


def seconds_table(facts: Facts) -> Table | None:
    """Time by stage, in their order; the documents' own stage is left out: it is not over when they are written."""
    spent = facts.stage_seconds()
    rows = [[escape(stage_name(stage)), duration(value)] for stage, value in spent.items()]
    return table(["Stage", "Time"], rows) if rows else None


def columns_table(facts: Facts) -> Table | None:
    """Columns by kind and role: how many, how many missing values."""
    groups: dict[tuple[str, str], list[int]] = {}
    for column in facts.columns:
        entry = groups.setdefault((column.kind, column.role), [0, 0])
        entry[0] += 1
        entry[1] += column.missing or 0
    rows = [[escape(k), escape(r), count(n), count(m)] for (k, r), (n, m) in sorted(groups.items())]
    return table(["Kind", "Role", "Columns", "Missing training values"], rows) if rows else None
