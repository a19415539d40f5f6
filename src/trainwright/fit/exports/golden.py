"""Golden rows: what every export is proved on, kept with the run: an export after the fact is proved on the same.

Real validation rows, rows with missing values among them, and behind them copies in which one column at a time is made
missing, or made a word that training never saw. The rows of images, arrays and running text are kept as what the
features give, since a frame holds only where they lie.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused
from trainwright.run.files import read_json, whole_folder, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from trainwright.data.dataset import Part, Schema
    from trainwright.data.features import Features
    from trainwright.fit.artifact import Scorer

ROWS = 1_000  # assumption: enough to meet the branches that a validation row takes, few enough to travel
_LEAST = 32  # rows, however large one is
_BYTES = 16_000_000  # assumption: of matrices of images; what can be handed on without a thought
_ALTERED = 64  # columns that are made missing, and made unseen, at most
UNSEEN = "never seen before"
GIVEN = "given"
_FRAME, _MATRICES, _FACTS = "rows.parquet", "rows.npz", "golden.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """The rows.

    ``matrices``: by member, as its features give them. ``frame``: canonical columns, None where they are no table.
    ``ids``: row ids of validation rows, a copy has that of its original. ``kinds``: ``given``, or how a copy was
    altered. ``expected``: what the delivered model predicts for them, float64.
    """

    matrices: "tuple[np.ndarray, ...]"
    frame: "pd.DataFrame | None"
    ids: "np.ndarray"
    kinds: tuple[str, ...]
    expected: "np.ndarray"

    def alone(self, given: int = 5, most: int = 24) -> "np.ndarray":
        """Positions of rows that are also scored one by one: a few as they were given, and the first of each other
        kind, within ``most``."""
        import numpy as np

        first: dict[str, int] = {}
        for at, kind in enumerate(self.kinds):
            first.setdefault(kind, at)
        plain = np.flatnonzero([kind == GIVEN for kind in self.kinds])
        spread = plain[np.linspace(0, len(plain) - 1, min(given, len(plain))).round().astype(np.int64)]
        return np.array(sorted({*spread.tolist(), *first.values()})[:most], dtype=np.int64)


def keep_golden(folder: Path, val: "Part", schema: "Schema", scorer: "Scorer") -> None:
    """Choose rows of validation, and write them."""
    features = [one for one, _ in scorer.members]
    positions = _chosen(val, features[0])
    frame = val.frame.iloc[positions].reset_index(drop=True)
    ids, kinds = val.rows[positions], [GIVEN] * len(positions)
    if _is_table(schema, features[0]):
        names = [c.name for c in schema.features if c.name in frame.columns]
        altered, origins, how = _altered(frame[names], schema)
        both = _joined(frame[names], altered)
        if _can_score(scorer, both):
            frame, ids, kinds = both, _appended(ids, ids[origins]), [*kinds, *how]
        else:
            frame = frame[names]
    with whole_folder(folder) as fresh:
        if _is_table(schema, features[0]):
            frame.to_parquet(fresh / _FRAME, index=False)
        else:
            import numpy as np

            matrices = {f"member_{i}": _dense(one.transform(frame)) for i, one in enumerate(features)}
            np.savez_compressed(fresh / _MATRICES, **matrices)  # type: ignore[arg-type]  # numpy's stub: a flag is last
        write_json(fresh / _FACTS, {"format": 1, "rows": ids.tolist(), "kinds": kinds})


def read_golden(folder: Path, scorer: "Scorer") -> Golden:
    """The kept rows, and what the delivered model says of them now.

    Raises:
        ArtifactRefused: they are missing or damaged.
    """
    import numpy as np
    import pandas as pd

    if not folder.is_dir():
        raise ArtifactRefused(
            f"{folder} is missing: exports are proved on the validation rows kept there. Train again with this version."
        )
    facts = read_json(folder / _FACTS)
    frame = None
    try:
        if (folder / _FRAME).is_file():
            frame = pd.read_parquet(folder / _FRAME)
            matrices = tuple(_dense(one.transform(frame)) for one, _ in scorer.members)
        else:
            with np.load(folder / _MATRICES, allow_pickle=False) as kept:
                matrices = tuple(kept[f"member_{i}"] for i in range(len(scorer.members)))
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactRefused(f"{folder} holds no rows that can be read: {error}. Restore it from a copy.") from error
    predicted = [model.predict(X) for X, (_, model) in zip(matrices, scorer.members, strict=True)]
    rows, kinds = facts.get("rows"), facts.get("kinds")
    if not isinstance(rows, list) or not isinstance(kinds, list) or len(rows) != len(matrices[0]):
        raise ArtifactRefused(f"{folder / _FACTS} is damaged. Restore it from a copy.")
    return Golden(
        matrices=matrices,
        frame=frame,
        ids=np.array(rows, dtype=np.int64),
        kinds=tuple(map(str, kinds)),
        expected=np.mean(predicted, axis=0),
    )


def _chosen(val: "Part", features: "Features") -> "np.ndarray":
    """Positions, ascending: a quarter of them rows with a missing value where there are any, the rest evenly spread."""
    import numpy as np

    wanted = min(len(val), ROWS, max(_LEAST, _BYTES // max(1, _row_bytes(val, features))))
    gaps = np.flatnonzero(val.frame.isna().any(axis=1).to_numpy())
    picked = set(gaps[: wanted // 4].tolist())
    others = np.setdiff1d(np.arange(len(val)), np.fromiter(picked, dtype=np.int64, count=len(picked)))
    spread = np.linspace(0, len(others) - 1, max(0, min(wanted - len(picked), len(others)))).round().astype(np.int64)
    return np.sort(np.concatenate([np.array(sorted(picked), dtype=np.int64), others[np.unique(spread)]]))


def _row_bytes(val: "Part", features: "Features") -> int:
    if features.style not in ("image", "array", "language"):
        return 1
    return int(features.transform(val.frame.iloc[:1]).nbytes)


def _is_table(schema: "Schema", features: "Features") -> bool:
    """Whether the columns hold all that a row is."""
    from trainwright.data.dataset import OPAQUE

    opaque = any(column.kind in OPAQUE for column in schema.features)
    return not opaque and features.style not in ("image", "array", "language")


def _altered(frame: "pd.DataFrame", schema: "Schema") -> "tuple[pd.DataFrame, list[int], list[str]]":
    """Copies of rows, a column changed in each; the positions of the originals, and what was done."""
    import numpy as np
    import pandas as pd

    from trainwright.data.dataset import Kind

    words = (Kind.CATEGORICAL, Kind.BOOLEAN, Kind.TEXT)
    columns = [c for c in schema.features if c.name in frame.columns]
    changes: list[tuple[str, object, str]] = []
    for column in columns[:_ALTERED]:
        nothing = pd.NaT if frame[column.name].dtype.kind == "M" else np.nan
        changes.append((column.name, nothing, f"made missing: {column.name}"))
    told = [c.name for c in columns if c.kind in words][:_ALTERED]
    changes += [(name, UNSEEN, f"made unseen: {name}") for name in told]
    origins = [at % len(frame) for at in range(len(changes))]
    copies = frame.iloc[origins].reset_index(drop=True)
    for name in copies.columns:
        if copies[name].dtype.kind in "iu":
            copies[name] = copies[name].astype("float64")
    for at, (name, value, _) in enumerate(changes):
        copies.iloc[at, copies.columns.get_loc(name)] = value  # type: ignore[call-overload]  # any cell
    return copies, origins, [how for _, _, how in changes]


def _joined(frame: "pd.DataFrame", copies: "pd.DataFrame") -> "pd.DataFrame":
    """Both below each other in the copies' types: whole numbers have no missing value."""
    import pandas as pd

    return pd.concat([frame.astype(copies.dtypes.to_dict()), copies], ignore_index=True)


def _can_score(scorer: "Scorer", frame: "pd.DataFrame") -> bool:
    """Whether the model takes the altered rows: a feature pipeline of one's own may refuse missing values."""
    try:
        scorer.predict(frame)
    except Exception:  # noqa: BLE001 - a user's own step may raise anything; then the given rows alone are kept
        return False
    return True


def _appended(first: "np.ndarray", second: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.concatenate([first, second])


def _dense(X: "Sequence[object] | np.ndarray") -> "np.ndarray":
    import numpy as np

    return X if isinstance(X, np.ndarray) else X.toarray()  # type: ignore[attr-defined]  # a sparse matrix
