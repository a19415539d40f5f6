"""Prediction with a delivered model, of a run or of a hand-off alone."""

import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.code_files import is_code
from trainwright.core.errors import SpecError
from trainwright.core.findings import Finding
from trainwright.core.tasks import Task
from trainwright.data.chunks import CHUNK_ROWS, read_chunks
from trainwright.data.own_data import read_own, refuse_untrusted
from trainwright.data.profile import Profile, read_profile
from trainwright.fit.artifact import Scorer, load_scorer
from trainwright.fit.conformal import Offsets, Residuals, check_level, read_residuals
from trainwright.fit.evaluate import prediction_frame
from trainwright.run.delivered import Delivered, open_delivered
from trainwright.stages.noticed import Noticed
from trainwright.stages.prediction_file import check_format, prediction_file
from trainwright.stages.reports import PredictResult

if TYPE_CHECKING:
    import pandas as pd

    from trainwright.data.dataset import Schema, Target
    from trainwright.data.read import RawTable


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenModel:
    """A delivered model in memory, with what it knows of the rows it takes."""

    delivered: Delivered
    scorer: Scorer
    schema: "Schema"
    target: "Target"
    profile: Profile | None
    residuals: Residuals | None

    @property
    def missing_values(self) -> list[str] | None:
        """The texts that meant missing in training; None for the usual ones."""
        spelled = self.delivered.scoring.get("missing_values")
        return [str(s) for s in spelled] if isinstance(spelled, list) else None

    def offsets(self, level: float) -> Offsets:
        """The ends of prediction intervals of that level, above 0 and below 1.

        Raises:
            SpecError: the task has no intervals, the run has none, or too few rows for this level.
        """
        check_level(level)
        if self.target.task is not Task.REGRESSION:
            answer = "its probabilities are the answer" if self.target.task.is_classification else "this one has none"
            raise SpecError(f"intervals are for regressions, and this model's task is {self.target.task}: {answer}.")
        if self.residuals is None:
            raise SpecError(
                f"{self.delivered.root} keeps no residuals of held-out rows, which intervals are made of. "
                "Train again with this version."
            )
        return self.residuals.offsets(level)

    def score(self, table: "RawTable", noticed: Noticed, *, offsets: Offsets | None = None) -> "pd.DataFrame":
        """The predictions of a table's rows, with the ends of their intervals where ``offsets`` are given; what is to
        be said of them goes to ``noticed``.

        Raises:
            DataRefused: columns are missing, hold another kind, or the rows are no rows of this model.
        """
        from trainwright.data.conform import check_agreement, conform
        from trainwright.data.images import PATH, refuse_other_rows

        refuse_other_rows(table, self.schema)
        frame, findings = conform(table.frame, self.schema, self.target)
        findings += check_agreement(table.frame, frame, self.schema)
        predicted = prediction_frame(self.target, self.scorer.predict(frame))
        if offsets is not None:
            predicted["lower"] = predicted["prediction"] + offsets.lower
            predicted["upper"] = predicted["prediction"] + offsets.upper
        if table.known:
            predicted.insert(0, PATH, table.frame[PATH].to_numpy())
        noticed.take(frame, [*table.findings, *findings])
        return predicted

    def predict(
        self, rows: "pd.DataFrame", *, interval: float | None = None
    ) -> "tuple[pd.DataFrame, tuple[Finding, ...]]":
        """The predictions of a frame, and what was noticed. ``interval`` is the level of a regression's prediction
        intervals (0.9): columns ``lower`` and ``upper``.

        Raises:
            DataRefused: the rows cannot be scored.
            SpecError: as `offsets`.
        """
        from trainwright.data.read import table_from_frame

        noticed, offsets = Noticed(self.profile), None if interval is None else self.offsets(interval)
        table = table_from_frame(rows, missing_values=self.missing_values)
        predicted = self.score(table, noticed, offsets=offsets)
        return predicted, noticed.findings()


def open_model(run: Path, *, trust_code: bool = False) -> OpenModel:
    """Load the model of a run or of a hand-off, hashes checked first.

    Raises:
        ArtifactRefused: there is no finished model, it is damaged, or it is code and ``trust_code`` is not set.
        ResourceMissing: the engine's package is not installed.
    """
    from trainwright.data.store import load_schema

    delivered = open_delivered(run)
    scorer = load_scorer(delivered.model, trust_code=trust_code)
    schema, target = load_schema(delivered.schema)
    profile = None if delivered.profile is None else read_profile(delivered.profile)
    residuals = None if delivered.intervals is None else read_residuals(delivered.intervals)
    return OpenModel(
        delivered=delivered, scorer=scorer, schema=schema, target=target, profile=profile, residuals=residuals
    )


def score_rows(
    run: Path,
    data: "str | Path | pd.DataFrame",
    *,
    out: Path | None,
    interval: float | None = None,
    trust_code: bool = False,
    block_rows: int = CHUNK_ROWS,
) -> PredictResult:
    """Read, check, transform and predict, ``block_rows`` rows at a time; ``interval`` as in `OpenModel.predict`.

    Raises:
        ArtifactRefused: there is no finished model in the run, or it is damaged.
        DataRefused: the rows cannot be scored.
        SpecError: the output's ending is none of .csv, .parquet, .jsonl; the model has no such interval; or the rows
            are Python code and ``trust_code`` is not set.
    """
    check_format(out)
    if isinstance(data, str | Path) and is_code(str(data)) and not trust_code:
        open_delivered(run)
        refuse_untrusted(str(data), where="DATA")
    model = open_model(run, trust_code=trust_code)
    offsets = None if interval is None else model.offsets(interval)
    if model.target.task is Task.LANGUAGE:
        return _written([score_text(model, data)], out, Noticed(None))
    noticed = Noticed(model.profile)
    with tempfile.TemporaryDirectory(prefix="trainwright-rows-", ignore_cleanup_errors=True) as scratch:
        tables = _tables(model, data, Path(scratch), block_rows)
        return _written(_scored(model, tables, noticed, offsets), out, noticed)


def _scored(
    model: OpenModel, tables: "Iterator[RawTable]", noticed: Noticed, offsets: Offsets | None
) -> "Iterator[pd.DataFrame]":
    for table in tables:
        if len(table.frame):
            yield model.score(table, noticed, offsets=offsets)
        else:  # rows that were left out at the end of a file
            noticed.hear(table.findings)


def _written(
    blocks: "Iterator[pd.DataFrame] | list[pd.DataFrame]", out: Path | None, noticed: Noticed
) -> PredictResult:
    """Collect the blocks, or write each as it comes."""
    import pandas as pd

    kept: list[pd.DataFrame] = []
    columns: tuple[str, ...] = ()
    rows = largest = 0
    with nullcontext() if out is None else prediction_file(out) as file:
        for block in blocks:
            rows, largest = rows + len(block), max(largest, len(block))
            columns = tuple(str(c) for c in block.columns)
            if file is None:
                kept.append(block)
            else:
                file.add(block)
    return PredictResult(
        rows=rows,
        columns=columns,
        path=out,
        findings=noticed.findings(),
        largest_block=largest,
        kept=None if out is not None else kept[0] if len(kept) == 1 else pd.concat(kept, ignore_index=True),
    )


def _tables(
    model: OpenModel, data: "str | Path | pd.DataFrame", scratch: Path, block_rows: int
) -> "Iterator[RawTable]":
    """The rows as read; those of a data set of the user's own lie in ``scratch``."""
    from trainwright.data.read import table_from_frame

    missing = model.missing_values
    if not isinstance(data, str | Path):
        yield table_from_frame(data, missing_values=missing)
    elif is_code(str(data)):
        yield read_own(str(data), base=Path(), scratch=scratch, where="DATA", with_target=False)
    else:
        yield from read_chunks(data, rows=block_rows, missing_values=missing)


def score_text(model: OpenModel, data: "str | Path | pd.DataFrame") -> "pd.DataFrame":
    """What a language model says of a text file or a frame with a column ``text``: one row a stretch, where it begins,
    its characters, their nats (``prediction``), and bits a character.

    Raises:
        DataRefused: there is no such text.
    """
    import numpy as np
    import pandas as pd

    from trainwright.data.language import STRETCH, TEXT, lengths, rows_of_file, rows_of_frame

    recorded = model.delivered.scoring.get("stretch")
    stretch = recorded if isinstance(recorded, int) else STRETCH
    frame = rows_of_file(Path(data), stretch) if isinstance(data, str | Path) else rows_of_frame(data, stretch)
    nats, characters = model.scorer.predict(frame), lengths(frame)
    return pd.DataFrame(
        {
            "start": (np.cumsum(characters) - characters).astype(np.int64),
            "characters": characters.astype(np.int64),
            "prediction": nats,
            "bits_per_character": nats / np.log(2) / np.maximum(characters, 1.0),
            TEXT: frame[TEXT],
        }
    )
