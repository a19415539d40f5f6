"""handoff/: what the next stage needs to load, check and judge the model."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.report.artifacts import role_of
from trainwright.report.facts import Facts, list_files
from trainwright.report.predictions import Predictions
from trainwright.report.prompt import render_prompt
from trainwright.report.reading import items, mapping, text
from trainwright.report.receiver import receiver
from trainwright.report.rendering import render_template
from trainwright.report.runtime import requirements, runtime
from trainwright.run.delivered import SCORING, put_beside
from trainwright.run.files import read_json, write_bytes, write_json, write_text
from trainwright.run.hashes import sha256_file
from trainwright.run.manifest import HANDOFF, MANIFEST, SIGNATURE

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ROWS = 20  # enough to check a loader, few enough to read
_MARKS = (f"{HANDOFF}/{MANIFEST}", f"{HANDOFF}/{SIGNATURE}")
_APPEND_ONLY = "training_log.jsonl"
_REWRITTEN = "run.json"
_IMAGES = "sample.zip"
_SCORES = ("primary", "metrics", "intervals", "prediction_intervals", "gap", "baselines", "cross_validation")


def write(run: Path, facts: Facts) -> tuple[Finding, ...]:
    """Write the folder; the manifest last, over everything that is in the run then.

    Raises:
        ResourceMissing: the disk is full or the folder cannot be written.
    """
    folder = run / HANDOFF
    (folder / SIGNATURE).unlink(missing_ok=True)  # of an earlier manifest
    findings = _write_sample(run, folder, facts)
    sample = next((name for name in ("sample.csv", _IMAGES) if (folder / name).is_file()), "")
    wanted, held = receiver(run), facts.held_out()
    write_text(folder / "prompt.md", render_prompt(facts))
    put_beside(run, folder)
    write_text(folder / "load.py", render_template("load.py.j2", {"sample": sample, "code": _holds_code(folder)}))
    write_text(folder / "requirements.txt", requirements(facts))
    write_json(folder / "metrics.json", {name: facts.record.get(name) for name in _SCORES})
    write_json(folder / "best_params.json", facts.record.get("best_params") or facts.model.get("params") or {})
    write_text(folder / "learning_curves.csv", _curves_csv(facts))
    part, code = held.part if held else "held-out", _holds_code(folder)
    values = {"facts": facts, "to": wanted.to, "sample": sample, "part": part, "code": code}
    write_text(folder / "README.md", render_template("handoff_readme.md.j2", values))
    write_json(folder / MANIFEST, manifest(run, facts))
    return findings


def manifest(run: Path, facts: Facts) -> dict[str, JsonValue]:
    """Every file of the run with role, path, sha256 and size; and what the run as a whole promises."""
    record = facts.record
    openings = items(record.get("test_openings"))
    return {
        "format": 1,
        "name": facts.name,
        "run": text(record.get("run"), run.name),
        "version": text(record.get("version")),
        "created": record.get("created"),
        "task": facts.task.value,
        "target": facts.target,
        "classes": list(facts.classes),
        "primary": mapping(record.get("primary")),
        "digests": mapping(record.get("digests")),
        "determinism": mapping(record.get("determinism")),
        "test_openings": {"count": len(openings), "reasons": list(openings)},
        "runtime": runtime(facts),
        "scoring": {name: record.get(name) for name in SCORING},
        "provides": _provides(run),
        "artifacts": [_entry(run, file.path) for file in list_files(run) if file.path not in _MARKS],
    }


def _provides(run: Path) -> dict[str, JsonValue]:
    """The receiver's list of the mission -> where each item is, from the run folder; what is not there is left out."""
    return {
        item: [path for path in paths if (run / path).exists()]
        for item, paths in {
            "Trained model artifacts": (f"{HANDOFF}/model", "model"),
            "Training logs and metrics": ("training_log.jsonl", "run.json", "checks.json", f"{HANDOFF}/metrics.json"),
            "Best hyperparameters": (f"{HANDOFF}/best_params.json",),
            "Learning curves": (f"{HANDOFF}/learning_curves.csv", "plots/learning_curves.png"),
            "Model checkpoints": ("checkpoints",),
        }.items()
    }


def _holds_code(folder: Path) -> bool:
    """Whether the model is Python code, which is run only where somebody says so."""
    scorer = folder / "model" / "scorer.json"
    return scorer.is_file() and read_json(scorer).get("code") is True


def _entry(run: Path, path: str) -> dict[str, JsonValue]:
    role, description = role_of(path)
    entry: dict[str, JsonValue] = {"role": role, "path": path, "description": description}
    if path == _REWRITTEN:
        return {**entry, "sha256": None, "bytes": None}
    entry |= {"bytes": (run / path).stat().st_size, "sha256": sha256_file(run / path)}
    return {**entry, "append_only": True} if path == _APPEND_ONLY else entry


def _curves_csv(facts: Facts) -> str:
    lines = ["part,metric,step,value"]
    for (part, metric), curve in facts.log.curves.items():
        name = f'"{metric}"' if "," in metric else metric
        lines += [f"{part},{name},{s},{v!r}" for s, v in zip(curve.steps, curve.values, strict=True)]
    return "\n".join(lines) + "\n"


def _write_sample(run: Path, folder: Path, facts: Facts) -> tuple[Finding, ...]:
    """The first held-out rows' predictions, and the rows themselves where the run kept some."""
    held = facts.held_out()
    if held is None:
        for name in ("sample.csv", _IMAGES, "sample_predictions.csv"):
            (folder / name).unlink(missing_ok=True)
        return (_no_sample("the run stored no predictions"),)
    stored = run / "data" / "sample.parquet"
    rows = _sample_rows(stored) if stored.is_file() else None
    if rows is not None and "row" in rows.columns:
        known = next((p for p in facts.predictions.values() if set(rows["row"]) <= set(p.rows.tolist())), None)
        if known is not None:
            predicted = _predictions_of(known, [int(r) for r in rows["row"]])
            images = run / "data" / _IMAGES
            if images.is_file():
                write_bytes(folder / _IMAGES, images.read_bytes())
                predicted.insert(1, "path", rows["path"].to_numpy())
            else:
                _write_csv(folder / "sample.csv", rows.drop(columns="row"))
            _write_csv(folder / "sample_predictions.csv", predicted)
            return ()
    for name in ("sample.csv", _IMAGES):
        (folder / name).unlink(missing_ok=True)
    _write_csv(folder / "sample_predictions.csv", _predictions_of(held, held.rows[:SAMPLE_ROWS].tolist()))
    return ()


def _sample_rows(path: Path) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_parquet(path).head(SAMPLE_ROWS)


def _predictions_of(found: Predictions, wanted: list[int]) -> "pd.DataFrame":
    """The stored predictions of the wanted rows, in that order."""
    import numpy as np
    import pandas as pd

    where = {int(row): at for at, row in enumerate(found.rows)}
    at = np.array([where[row] for row in wanted], dtype=np.int64)
    if not found.classes:
        return pd.DataFrame({"row": found.rows[at], "target": found.y[at], "prediction": found.predicted[at]})
    names = np.asarray(found.classes, dtype=object)
    frame = pd.DataFrame(
        {"row": found.rows[at], "target": names[found.y[at]], "prediction": names[found.predicted[at]]}
    )
    for code, name in enumerate(found.classes):
        frame[f"proba_{name}"] = found.probability[at, code]
    return frame


def _write_csv(path: Path, frame: "pd.DataFrame") -> None:
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, lineterminator="\n")
    write_text(path, buffer.getvalue())


def _no_sample(what: str) -> Finding:
    return Finding(
        code="handoff.no_sample",
        severity=Severity.WARNING,
        where="handoff/sample_predictions.csv",
        what=what,
        why="a loader cannot be checked against known predictions",
        fix="Finish the run with `trainwright resume`, then write the documents again with `trainwright report`",
    )
