"""Prediction intervals of a regressor, by split conformal prediction (Lei et al., *Journal of the American Statistical
Association* 113, 2018, after Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2005).

The residuals of rows that the model was not fitted on say how far it errs. With n of them, the k-th smallest, k =
ceil((n + 1)(1 - a)), is not exceeded by the residual of a new row with probability 1 - a or more, whatever the model
and the distribution, as long as the new row and these are exchangeable. Here a = (1 - level) / 2 on each side: signed
residuals, not their absolute values, so that the interval of a skewed target is skewed too, and neither side misses
more than its half. The price is rows: 2 / (1 - level) - 1 instead of half as many (19 for 90%).

Weights: a row counts with its weight, and the new row with the largest of them, as it may have (Tibshirani et al.,
NeurIPS 2019, for a new row of known weight); equal weights give the rule above.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.run.files import read_json

if TYPE_CHECKING:
    import numpy as np

Source: TypeAlias = Literal["val", "oof"]

LEVEL = 0.9
"""The level whose coverage a run measures on its test rows."""

_FORMAT = 1
_KEPT, _KEPT_AT_ENDS = 2_000, 200
"""Residuals that are stored of more: even steps in rank, and all at both ends. A bound between two of them is the
outer one, so an interval covers 0.05% (1 / 2,000) more on each side at most, and is never narrower than the rule's."""

_SLACK = 1e-9  # of a share: 0.95 times 20 rows must be 19 of them
_WORDS = {"val": "validation row", "oof": "out-of-fold row"}


@dataclass(frozen=True, slots=True)
class Offsets:
    """What is added to a prediction for the ends of its interval."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many rows of a part had their target inside, below and above the interval (shares of their weight), and
    how wide it is."""

    part: str
    level: float
    rows: int
    share: float
    below: float
    above: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residuals:
    """Target minus prediction of ``rows`` rows that the model was not fitted on.

    ``values``: float64, ascending, all or some of them. ``before`` and ``through``: the weight of all rows below each
    in that order, without its own and with it. ``total`` is the weight of all, ``largest`` that of the heaviest row.
    """

    source: Source
    rows: int
    values: "np.ndarray"
    before: "np.ndarray"
    through: "np.ndarray"
    total: float
    largest: float

    @property
    def effective_rows(self) -> float:
        """Rows as the weights count them: their number where all weigh the same, fewer where some weigh more."""
        return self.total / self.largest

    def offsets(self, level: float) -> Offsets:
        """The ends of an interval of that level, above 0 and below 1.

        Raises:
            SpecError: the level is none, or there are too few rows for it; says how many it takes.
        """
        check_level(level)
        wanted = (1.0 - (1.0 - level) / 2.0) * (self.total + self.largest) - _SLACK * self.total
        above, below = self.through >= wanted, self.total - self.before >= wanted
        if not above.any() or not below.any():
            raise SpecError(self._too_few(level))
        return Offsets(lower=float(self.values[below][-1]), upper=float(self.values[above][0]))

    def coverage(
        self, level: float, *, part: str, y: "np.ndarray", predicted: "np.ndarray", weight: "np.ndarray | None"
    ) -> Coverage:
        """How intervals of that level hold on other rows, (rows,) each.

        Raises:
            SpecError: as `offsets`.
        """
        import numpy as np

        ends, residuals = self.offsets(level), y - predicted
        shares = np.full(len(y), 1.0 / len(y)) if weight is None else weight / weight.sum()
        below, above = (float(shares[wrong].sum()) for wrong in (residuals < ends.lower, residuals > ends.upper))
        inside = 1.0 - below - above
        return Coverage(
            part=part, level=level, rows=len(y), share=inside, below=below, above=above, width=ends.upper - ends.lower
        )

    def to_json(self) -> dict[str, JsonValue]:
        """As `read_residuals` reads it."""
        return {
            "format": _FORMAT,
            "method": "split conformal, signed residuals",
            "source": self.source,
            "rows": self.rows,
            "total": self.total,
            "largest": self.largest,
            "residuals": self.values.tolist(),
            "before": self.before.tolist(),
            "through": self.through.tolist(),
        }

    def _too_few(self, level: float) -> str:
        have = f"{self.rows:,} {_WORDS[self.source]}{'' if self.rows == 1 else 's'}"
        if self.effective_rows < self.rows * (1 - _SLACK):
            have += f", which their weights make {self.effective_rows:,.0f}"
        most = math.floor(100 * (1 - 2 / (self.effective_rows + 1)))
        fix = f"Ask for {most / 100:g} at most, or train" if most > 0 else "Train"
        return (
            f"an interval of {level:.10g} needs {rows_needed(level):,} rows, and this run has {have}. {fix} with more."
        )


def residuals_of(
    y: "np.ndarray", predicted: "np.ndarray", weight: "np.ndarray | None", *, source: Source
) -> Residuals | None:
    """The residuals of rows that a model was not fitted on, (rows,) each; None where none is usable: no rows with
    weight, or a residual that is not finite."""
    import numpy as np

    found = np.asarray(y, dtype=np.float64) - np.asarray(predicted, dtype=np.float64)
    weights = np.ones(len(found)) if weight is None else np.asarray(weight, dtype=np.float64)
    found, weights = found[weights > 0], weights[weights > 0]
    if not len(found) or not np.isfinite(found).all():
        return None
    order = np.argsort(found, kind="stable")
    values, through = found[order], np.cumsum(weights[order])
    kept = _kept(len(values))
    return Residuals(
        source=source,
        rows=len(values),
        values=values[kept],
        before=(through - weights[order])[kept],
        through=through[kept],
        total=float(through[-1]),
        largest=float(weights.max()),
    )


def read_residuals(path: Path) -> Residuals:
    """What `Residuals.to_json` wrote.

    Raises:
        ArtifactRefused: it is damaged, or of another version.
    """
    import numpy as np

    stored: Mapping[str, JsonValue] = read_json(path)
    if stored.get("format") != _FORMAT:
        raise ArtifactRefused(f"{path} has format {stored.get('format')!r}, this version reads {_FORMAT}.")
    try:
        values, before, through = (
            np.array(stored[name], dtype=np.float64) for name in ("residuals", "before", "through")
        )
        total, largest = float(str(stored["total"])), float(str(stored["largest"]))
        rows, source = int(str(stored["rows"])), str(stored["source"])
    except (KeyError, ValueError, TypeError) as error:
        raise ArtifactRefused(f"{path} is damaged ({type(error).__name__}). Restore it from a copy.") from error
    sound = values.ndim == 1 and values.shape == before.shape == through.shape and len(values) > 0 and largest > 0
    if not sound or source not in _WORDS or not np.isfinite(values).all() or (np.diff(values) < 0).any():
        raise ArtifactRefused(f"{path} is damaged. Restore it from a copy.")
    return Residuals(
        source="oof" if source == "oof" else "val",
        rows=rows,
        values=values,
        before=before,
        through=through,
        total=total,
        largest=largest,
    )


def check_level(level: float) -> None:
    """Raises SpecError where it is no level of an interval."""
    if not 0.0 < level < 1.0:
        raise SpecError(f"the level of an interval must be above 0 and below 1, such as 0.9, got {level:g}.")


def rows_needed(level: float) -> int:
    """Rows of equal weight that an interval of that level takes: each side needs one residual beyond its share."""
    return math.ceil((2.0 / (1.0 - level) - 1.0) * (1.0 - _SLACK))


def _kept(count: int) -> "np.ndarray":
    """Positions that are stored, ascending."""
    import numpy as np

    if count <= _KEPT + 2 * _KEPT_AT_ENDS:
        return np.arange(count)
    even = np.linspace(0, count - 1, _KEPT + 1).round().astype(np.int64)
    return np.unique(np.concatenate([np.arange(_KEPT_AT_ENDS), even, np.arange(count - _KEPT_AT_ENDS, count)]))
