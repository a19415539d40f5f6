"""What each file of a run is, for readers and for the manifest."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from trainwright.report.facts import FileFact

_ROLES: tuple[tuple[str, str, str], ...] = (
    (r"model/native/.*features/.*", "feature_pipeline", "Fitted feature pipeline, part of the model"),
    (r"model/parity\.json", "export_parity", "Proof that every export predicts the same"),
    (r"model/(joblib|torchscript)/.*", "unsafe_export", "Export that runs code when loaded; see parity.json"),
    (r"model/(?!native/)[^/]+/.*", "export", "Export in another format, with golden rows and a loader of its own"),
    (r"model/.*", "model", "Final model for prediction, with hashes of its files"),
    (r"checkpoints/best/.*", "checkpoint", "Best validation checkpoint"),
    (r"checkpoints/last-.*", "checkpoint", "Earlier checkpoint"),
    (r"checkpoints/.*", "checkpoint", "Last checkpoint, for resuming"),
    (r"training_log\.jsonl", "training_log", "Training record: one event a line"),
    (r"run\.json", "record", "Record of the run: metrics, stages, digests"),
    (r"resolved\.yaml", "configuration", "Every value as used, with its origin"),
    (r"document\.md", "configuration", "The architect's document as it was read"),
    (r"spec\.yaml", "configuration", "The spec as given"),
    (r"environment\.json", "environment", "Versions, hardware, seeds, git state"),
    (r"checks\.json", "checks", "Checks before training and their verdicts"),
    (r"baselines\.json", "metrics", "Scores of the baselines"),
    (r"cross_validation\.json", "metrics", "Scores of every fold"),
    (r"search/.*", "search", "Trials of the search: ledger, summary, events"),
    (r"samples\.txt", "samples", "Text that the model wrote"),
    (r"data/profile\.json", "profile", "Counts of each column by part, to see drift against"),
    (r"data/prediction_intervals\.json", "intervals", "Residuals that prediction intervals are made of"),
    (r"data/schema\.json", "schema", "Columns: kind, role and how both were decided"),
    (r"data/golden/.*", "data", "Validation rows that exports are proved on"),
    (r"data/fingerprint\.json", "data", "Digests of the files that were read"),
    (r"data/split\.parquet", "data", "Which row is in which part"),
    (r"data/sample\..*", "data", "A few held-out rows as they came in"),
    (r"data/.*", "data", "Other data of the run"),
    (r"predictions/.*", "predictions", "Stored predictions, one row an input row"),
    (r"plots/learning_curves\.png", "learning_curves", "Learning curves"),
    (r"plots/.*", "figure", "Figures of this report"),
    (r"report\.md", "report", "This report"),
    (r"report\.html", "report_html", "This report as a page with charts"),
    (r"model_card\.md", "model_card", "Model card"),
    (r"handoff/model/.*/features/.*", "feature_pipeline", "Feature pipeline of the hand-off's own copy of the model"),
    (r"handoff/model/.*", "model", "The hand-off's own copy of the model, with hashes of its files"),
    (r"handoff/schema\.json", "schema", "Columns the model takes"),
    (r"handoff/profile\.json", "profile", "Counts of the training rows, to see drift against"),
    (r"handoff/prediction_intervals\.json", "intervals", "Residuals that prediction intervals are made of"),
    (r"handoff/metrics\.json", "metrics", "Scores, intervals, baselines, gap"),
    (r"handoff/load\.py", "loader", "Ten lines that load the model and score rows"),
    (r"handoff/requirements\.txt", "runtime", "The packages the model needs, with versions"),
    (r"handoff/sample.*", "sample", "Rows, and what the run predicted for them"),
    (r"handoff/prompt\.md", "prompt", "The complete prompt for the receiver"),
    (r"handoff/best_params\.json", "best_hyperparameters", "Best hyperparameters"),
    (r"handoff/learning_curves\.csv", "learning_curves", "Learning curves as numbers"),
    (r"handoff/.*", "handoff", "Hand-off: prompt, sample rows, manifest"),
    (r"baselines/.*", "baseline_model", "Trained baselines"),
    (r"folds/.*", "fold_model", "Models of the folds"),
)

DOCUMENTS = ("plots", "report.md", "report.html", "model_card.md", "handoff")
"""What is written together with the report, so that the report cannot know its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """Files that belong together; ``size`` is None for what is written together with the report."""

    path: str
    description: str
    size: int | None


def role_of(path: str) -> tuple[str, str]:
    """Role and description of a file by its path relative to the run folder."""
    for pattern, role, description in _ROLES:
        if re.fullmatch(pattern, path):
            return role, description
    return "other", "Other file of the run"


def saved_files(files: Iterable[FileFact]) -> tuple[Saved, ...]:
    """The run's files as the report lists them: folders of one role in one row, documents without size."""
    sizes: dict[tuple[str, str], int] = {}
    for file in files:
        top = file.path.split("/", 1)[0]
        if top in DOCUMENTS:
            continue
        role, description = role_of(file.path)
        shown = _shown(file.path, role)
        sizes[shown, description] = sizes.get((shown, description), 0) + file.size
    order = {description: at for at, (_, _, description) in enumerate(_ROLES)}
    rows = sorted(sizes.items(), key=lambda item: (order.get(item[0][1], len(order)), item[0][0]))
    listed = [Saved(path=path, description=description, size=total) for (path, description), total in rows]
    documents = (("plots/", "Figures, learning curves among them"), ("report.md", "This report"))
    more = (
        ("report.html", "This report as a page with charts"),
        ("model_card.md", "Model card"),
        ("handoff/", "Hand-off: prompt, manifest, sample rows"),
    )
    return (*listed, *(Saved(path=path, description=text, size=None) for path, text in (*documents, *more)))


def _shown(path: str, role: str) -> str:
    parts = path.split("/")
    if role == "feature_pipeline":
        return "model/native/*/features/"
    if parts[0] in ("model", "checkpoints") and len(parts) > 2:
        return "/".join(parts[:2]) + "/"
    if parts[0] in ("baselines", "folds", "search"):
        return f"{parts[0]}/"
    return path
