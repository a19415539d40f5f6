"""report.md: the mission's Training Report, every heading, filled from the facts of one run."""

import math
from pathlib import Path

from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import Task
from trainwright.report import tables
from trainwright.report.coverage import interval_words
from trainwright.report.facts import PART_NAMES, Facts
from trainwright.report.figures import FIGURES
from trainwright.report.markdown import escape, yaml_block
from trainwright.report.model_card import card_yaml
from trainwright.report.observations import headline, observations
from trainwright.report.prompt import render_prompt
from trainwright.report.reading import finite, items, mapping, numbers, text, whole
from trainwright.report.receiver import receiver
from trainwright.report.rendering import render_template
from trainwright.report.search import best_words, ranking_table, search_lines
from trainwright.report.words import amount, count, duration, metric_label, plural


def render(facts: Facts) -> str:
    """The report as Markdown; a function of the folder's content alone."""
    wanted = receiver(facts.run)
    return render_template(
        "report.md.j2",
        {
            "facts": facts,
            "headline": headline(facts),
            "setup": setup_facts(facts),
            "data": _data(facts),
            "curves": _curve_words(facts),
            "figures": _figures(facts),
            "observations": observations(facts),
            "params": yaml_block(_params(facts)),
            "engine_params": yaml_block(mapping(facts.model.get("params"))),
            "best_words": best_words(facts),
            "search_lines": search_lines(facts),
            "search": tables.search_table(facts, _params(facts)) if facts.search is None else ranking_table(facts),
            "samples": _samples_block(facts),
            "gap": _gap(facts),
            "card": card_yaml(facts),
            "environment": environment_facts(facts),
            "prompt": render_prompt(facts),
            "to": wanted.to,
            "focus": wanted.focus,
            "tables": {name: build(facts) or "" for name, build in _TABLES.items()},
            "metrics": {
                "val": tables.metrics_table(facts, ("val",)),
                "all": tables.metrics_table(facts, tuple(p for p in ("test", "val", "train") if p in facts.metrics)),
                "val_interval": tables.interval_lines(facts, ("val",)),
                "test_interval": tables.interval_lines(facts, ("test",)),
                "prediction_intervals": interval_words(facts),
            },
            "source": facts.source,
            "openings": [text(o) for o in items(facts.record.get("test_openings"))],
        },
    )


_TABLES = {
    "baselines": tables.baselines_table,
    "folds": tables.folds_table,
    "checks": tables.checks_table,
    "findings": tables.findings_table,
    "files": tables.files_table,
    "seconds": tables.seconds_table,
    "columns": tables.columns_table,
}


def _params(facts: Facts) -> dict[str, JsonValue]:
    return dict(mapping(facts.record.get("best_params")) or mapping(facts.model.get("params")))


def setup_facts(facts: Facts) -> dict[str, str]:
    """Lines of the configuration summary, as Markdown."""
    model, unit = facts.model, text(facts.model.get("unit"), "round")
    rate, batch = finite(model.get("learning_rate")), whole(model.get("batch_size"))
    kind = text(model.get("parameters_kind"))
    estimator = text(model.get("estimator"))
    parameters = whole(model.get("num_parameters"))
    return {
        "architecture": escape(text(model.get("family"), "not recorded"))
        + (f" ({escape(estimator)})" if estimator not in ("", text(model.get("family"))) else ""),
        "parameters": "not recorded"
        if parameters is None
        else count(parameters) + (f" ({escape(kind)})" if kind else ""),
        "framework": escape(text(model.get("engine_version")) or text(model.get("engine"), "not recorded")),
        "optimizer": escape(text(model.get("optimizer"), "not recorded"))
        + (f" (lr={rate:g})" if rate is not None else ""),
        "loss": escape(text(model.get("loss"), "not recorded")),
        "batch": "all training rows at once" if batch is None else count(batch),
        "epochs": _epochs(facts, unit),
        "device": _device(facts),
        "time": f"{_fit_time(facts)}, {_total(facts)} up to this report",
    }


def _fit_time(facts: Facts) -> str:
    """How long the final model took, also where a trial of the search became it."""
    number = whole(facts.record.get("from_trial"))
    trials = facts.search.trials if facts.search is not None else ()
    trial = next((t for t in trials if t.number == number), None)
    if trial is None:
        return f"{duration(facts.seconds(facts.fit_stage))} for the final model"
    return f"{duration(trial.seconds)} for the final model, as trial {number} of the search"


def _total(facts: Facts) -> str:
    """Time of all stages up to the documents: those write it while their own stage still runs."""
    return duration(sum(facts.stage_seconds().values()))


def _epochs(facts: Facts, unit: str) -> str:
    run, best = whole(facts.model.get("rounds_run")), whole(facts.model.get("rounds_best"))
    limit, stopped = whole(facts.model.get("rounds_limit")), text(facts.model.get("stopped_by"))
    if run is None:
        return "not recorded"
    if limit == 1:
        return "1 (fitted in one go)"
    ended = {
        "early_stopping": f"early stopped at {unit} {run:,}",
        "rounds": f"all {plural(run, unit)} of the plan were trained",
        "time_budget": f"stopped by the time budget at {unit} {run:,}",
    }.get(stopped, f"ended at {unit} {run:,}")
    return f"at most {plural(limit or run, unit)} ({ended}; {unit} {count(best)} was kept)"


def _device(facts: Facts) -> str:
    hardware = mapping(facts.environment.get("hardware"))
    device = text(facts.model.get("device"), "cpu")
    gpus = [escape(text(mapping(g).get("name")) or text(g)) for g in items(hardware.get("gpus"))]
    if device != "cpu":
        return f"{escape(device)}{' (' + ', '.join(gpus) + ')' if gpus else ''}"
    cores, threads = (
        whole(hardware.get("cores")),
        whole(facts.model.get("threads")) or whole(facts.record.get("threads")),
    )
    name = escape(text(hardware.get("cpu"), "not recorded"))
    used = f", {plural(threads, 'thread')} used" if threads else ""
    return f"CPU, {name}" + (f", {plural(cores, 'core')}" if cores else "") + used


def _data(facts: Facts) -> list[str]:
    """Lines on the data, as Markdown."""
    data = mapping(facts.record.get("data"))
    split = mapping(data.get("split"))
    known = [part for part in ("train", "val", "test") if facts.rows(part) is not None]
    rows = ", ".join(f"{count(facts.rows(part))} {part}" for part in known)
    lines = [f"**Task**: {facts.task.value}, target {escape(facts.target)}"]
    if facts.classes:
        shown = ", ".join(escape(c) for c in facts.classes[:20])
        lines.append(f"**Classes**: {len(facts.classes)} ({shown}{', and more' if len(facts.classes) > 20 else ''})")
    of = " stretches of the text" if facts.task is Task.LANGUAGE else ""
    lines.append(f"**Rows**: {rows or 'not recorded'}{of}")
    lines.append(
        f"**Columns**: {count(whole(data.get('columns')))}, {count(whole(data.get('features')))} used as features"
    )
    strategy, why = text(split.get("strategy"), "not recorded"), text(split.get("why"))
    lines.append(f"**Split**: {escape(strategy)}" + (f" ({escape(why)})" if why else ""))
    return lines


def _curve_words(facts: Facts) -> str:
    """The learning curves in words."""
    curves = facts.log.curves
    if not any(len(c.steps) > 1 for c in curves.values()):
        return "The model was fitted in one go, so there is no curve: the log holds one point."
    unit, lines = text(facts.model.get("unit"), "round"), []
    best = whole(facts.model.get("rounds_best"))
    for metric in facts.log.metrics():
        if metric == "loss" and _same_curve(facts, ("log_loss", "rmse")):
            continue
        parts = [c for part in ("train", "val") if (c := curves.get((part, metric))) is not None]
        told = []
        for curve in parts:
            kept = curve.at(best) if best is not None else None
            at_best = f", {amount(kept)} at the kept {unit}" if kept is not None and best != curve.steps[-1] else ""
            told.append(
                f"{PART_NAMES[curve.part].lower()} {amount(curve.values[0])} to {amount(curve.values[-1])}{at_best}"
            )
        lines.append(f"- {escape(metric_label(metric))}: {'; '.join(told)}")
    last = max(c.steps[-1] for c in curves.values())
    return f"From the first point to {unit} {last:,}:\n\n" + "\n".join(lines)


def _same_curve(facts: Facts, names: tuple[str, ...]) -> bool:
    """Whether the engine's own loss on validation rows is one of the metrics under another name."""
    own = facts.log.curves.get(("val", "loss"))
    others = [c for name in names if (c := facts.log.curves.get(("val", name))) is not None]
    return own is not None and any(math.isclose(own.at(c.steps[-1]) or 0.0, c.values[-1], rel_tol=1e-6) for c in others)


def _figures(facts: Facts) -> dict[str, str]:
    """Links to figures that are in the folder, learning curves apart from the rest."""
    present = {Path(f.path).stem for f in facts.files if f.path.startswith("plots/")}
    links = {name: f"![{caption}](plots/{name}.png)" for name, (_, caption) in FIGURES.items() if name in present}
    curves = links.pop("learning_curves", "")
    searched = [links.pop(name) for name in ("search_history", "search_importance") if name in links]
    return {"learning_curves": curves, "search": "\n\n".join(searched), "others": "\n\n".join(links.values())}


def samples(facts: Facts) -> str:
    """What a language model wrote; empty for other models."""
    path = facts.run / "samples.txt"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _samples_block(facts: Facts) -> str:
    """The same as a block of Markdown text."""
    return "\n".join(f"    {line}".rstrip() for line in samples(facts).splitlines())


def _gap(facts: Facts) -> dict[str, str]:
    gap = facts.gap
    if gap is None:
        return {
            "train": amount(facts.metric("train")),
            "val": amount(facts.metric("val")),
            "gap": "-",
            "verdict": "not judged",
            "rule": "",
        }
    verdict = f"**{gap.verdict}**" if gap.verdict == "Concerning" else gap.verdict
    return {
        "train": amount(gap.train),
        "val": amount(gap.val),
        "gap": amount(gap.gap),
        "verdict": verdict,
        "rule": gap.rule,
    }


def environment_facts(facts: Facts) -> dict[str, object]:
    environment = facts.environment
    packages = {k: text(v) for k, v in mapping(environment.get("packages")).items()}
    gpus = items(mapping(environment.get("hardware")).get("gpus"))
    seeds = numbers(environment.get("seeds"))
    lines: dict[str, JsonValue] = {
        "python": text(environment.get("python"), "not recorded"),
        "pytorch": packages.pop("torch", "not installed"),
        "cuda": text(mapping(environment.get("cuda")).get("version")) or ("not recorded" if gpus else "no GPU"),
        "trainwright": text(environment.get("trainwright")) or text(facts.record.get("version")),
        "platform": text(environment.get("platform"), "not recorded"),
        **packages,
    }
    git = mapping(environment.get("git"))
    if git:
        lines["git"] = text(git.get("commit")) + (" (with changes)" if git.get("dirty") is True else "")
    known = {"random": "Random", "numpy": "NumPy", "torch": "PyTorch"}
    shown = {label: f"{seeds[key]:.0f}" if key in seeds else "not used by this run" for key, label in known.items()}
    root = {"Root (all others derive from it)": f"{seeds['root']:.0f}"} if "root" in seeds else {}
    determinism = mapping(facts.record.get("determinism"))
    return {
        "lines": lines,
        "yaml": yaml_block(lines),
        "seeds": {**shown, **root},
        "determinism": {k: text(determinism.get(k)) for k in ("level", "why")},
        "resume": {k: text(v) for k, v in mapping(determinism.get("resume")).items()},
        "digests": {k: text(v) for k, v in mapping(facts.record.get("digests")).items()},
    }
