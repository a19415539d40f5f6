"""Prediction with a delivered model."""

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.code_files import is_code
from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.tasks import Task
from trainwright.data.own_data import read_own, refuse_untrusted
from trainwright.fit.artifact import Scorer, load_scorer
from trainwright.fit.evaluate import prediction_frame
from trainwright.run.files import read_json, write_bytes
from trainwright.run.folder import RunFolder, open_run
from trainwright.stages.reports import PredictResult

if TYPE_CHECKING:
    import pandas as pd

    from trainwright.core.findings import Finding
    from trainwright.data.dataset import Schema, Target
    from trainwright.data.read import RawTable

_FORMATS = (".csv", ".parquet", ".jsonl")


def score_rows(
    run: Path, data: "str | Path | pd.DataFrame", *, out: Path | None, trust_code: bool = False
) -> PredictResult:
    """Read, check, transform and predict.

    Raises:
        ArtifactRefused: there is no finished model in the run, or it is damaged.
        DataRefused: the rows cannot be scored.
        SpecError: the output's ending is none of .csv, .parquet, .jsonl; or the rows are Python code and
            ``trust_code`` is not set.
    """
    from trainwright.data.store import load_schema

    folder = open_run(run)
    if out is not None and out.suffix not in _FORMATS:
        raise SpecError(f"predictions are written as {', '.join(_FORMATS)}, got {out.name!r}")
    if not folder.model.is_dir():
        raise ArtifactRefused(f"{run} has no model yet. `trainwright resume {run}` finishes it.")
    if isinstance(data, str | Path) and is_code(str(data)) and not trust_code:
        refuse_untrusted(str(data), where="DATA")
    scorer = load_scorer(folder.model, trust_code=trust_code)
    schema, target = load_schema(folder.data / "schema.json")
    if target.task is Task.LANGUAGE:
        return _score_text(folder, scorer, data, out)
    with tempfile.TemporaryDirectory(prefix="trainwright-rows-", ignore_cleanup_errors=True) as scratch:
        table = _table(folder, data, Path(scratch))
        predicted, findings = _scored(table, scorer, schema, target)
    if out is not None:
        write_bytes(out, _encode(predicted, out.suffix))
    return PredictResult(frame=predicted, path=out, findings=(*table.findings, *findings))


def _table(folder: RunFolder, data: "str | Path | pd.DataFrame", scratch: Path) -> "RawTable":
    """The rows as read; those of a data set of the user's own lie in ``scratch``."""
    from trainwright.data.read import read_table, table_from_frame

    spelled = read_json(folder.record).get("missing_values")
    missing = [str(s) for s in spelled] if isinstance(spelled, list) else None
    if not isinstance(data, str | Path):
        return table_from_frame(data, missing_values=missing)
    if is_code(str(data)):
        return read_own(str(data), base=Path(), scratch=scratch, where="DATA", with_target=False)
    return read_table(Path(data), missing_values=missing)


def _scored(
    table: "RawTable", scorer: Scorer, schema: "Schema", target: "Target"
) -> "tuple[pd.DataFrame, tuple[Finding, ...]]":
    from trainwright.data.conform import conform
    from trainwright.data.images import PATH, refuse_other_rows

    refuse_other_rows(table, schema)
    frame, findings = conform(table.frame, schema, target)
    predicted = prediction_frame(target, scorer.predict(frame))
    if table.known:
        predicted.insert(0, PATH, table.frame[PATH].to_numpy())
    return predicted, findings


def _score_text(
    folder: RunFolder, scorer: Scorer, data: "str | Path | pd.DataFrame", out: Path | None
) -> PredictResult:
    """One row a stretch: where it begins, its characters, their nats (``prediction``), and bits a character."""
    import numpy as np
    import pandas as pd

    from trainwright.data.language import STRETCH, TEXT, lengths, rows_of_file, rows_of_frame

    recorded = read_json(folder.record).get("stretch")
    stretch = recorded if isinstance(recorded, int) else STRETCH
    frame = rows_of_file(Path(data), stretch) if isinstance(data, str | Path) else rows_of_frame(data, stretch)
    nats, characters = scorer.predict(frame), lengths(frame)
    predicted = pd.DataFrame(
        {
            "start": (np.cumsum(characters) - characters).astype(np.int64),
            "characters": characters.astype(np.int64),
            "prediction": nats,
            "bits_per_character": nats / np.log(2) / np.maximum(characters, 1.0),
            TEXT: frame[TEXT],
        }
    )
    if out is not None:
        write_bytes(out, _encode(predicted, out.suffix))
    return PredictResult(frame=predicted, path=out, findings=())


def _encode(frame: "pd.DataFrame", suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".csv":
        frame.to_csv(buffer, index=False)
    elif suffix == ".parquet":
        frame.to_parquet(buffer, index=False)
    else:
        frame.to_json(buffer, orient="records", lines=True)
    return buffer.getvalue()
