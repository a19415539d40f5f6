"""Predictions on disk, and the numbers that are computed from them."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.metrics import Interval, Metric, bootstrap_interval, compute, compute_all
from trainwright.core.seeds import Seeds

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.data.dataset import Part, Target

SAMPLE_BYTES = 20_000_000  # of image files (assumption: what can be handed on without a thought)
SAMPLE_ROWS = 20  # assumption: enough to meet missing values and several classes, few enough to read


def prediction_frame(target: "Target", predicted: "np.ndarray") -> "pd.DataFrame":
    """Columns ``prediction`` (and ``proba_<class>`` per class), one row per row of ``predicted``."""
    import numpy as np
    import pandas as pd

    if not target.task.is_classification:
        return pd.DataFrame({"prediction": predicted})
    labels = np.asarray(target.classes, dtype=object)[predicted.argmax(axis=1)]
    columns: dict[str, object] = {"prediction": labels}
    columns |= {f"proba_{name}": predicted[:, code] for code, name in enumerate(target.classes)}
    return pd.DataFrame(columns)


def write_predictions(path: Path, part: "Part", target: "Target", predicted: "np.ndarray") -> None:
    """Store the predictions of a part with its row ids and true targets, as Parquet."""
    import io

    import numpy as np

    from trainwright.data.images import PATH, is_image_frame
    from trainwright.run.files import write_bytes

    frame = prediction_frame(target, predicted)
    truth = np.asarray(target.classes, dtype=object)[part.y] if target.task.is_classification else part.y
    frame.insert(0, "row", part.rows)
    frame.insert(1, "target", truth)
    if is_image_frame(part.frame):
        frame.insert(2, PATH, part.frame[PATH].to_numpy())
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_bytes(path, buffer.getvalue())


def write_sample(path: Path, part: "Part") -> None:
    """Store rows from all over a part as they go into `predict`: a receiver can check a loader against them.

    Not the first ones: images come class by class, and the first would all be of one.

    A table that has a column ``row`` of its own gets no sample: the name is taken for the row ids; arrays get none
    either. Of images the files are stored too, in a zip beside it.
    """
    import io

    import numpy as np

    from trainwright.data.arrays import is_array_frame
    from trainwright.data.images import PATH, is_image_frame, pack
    from trainwright.run.files import write_bytes

    if "row" in part.frame.columns or is_array_frame(part.frame):
        return
    chosen = np.unique(np.linspace(0, len(part.frame) - 1, SAMPLE_ROWS).round().astype(np.int64))
    frame = part.frame.iloc[chosen].copy()
    if is_image_frame(frame):
        files, count = pack(frame, most_bytes=SAMPLE_BYTES)
        write_bytes(path.with_suffix(".zip"), files)
        frame = frame[[PATH]].head(count)
    frame.insert(0, "row", part.rows[chosen[: len(frame)]])
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_bytes(path, buffer.getvalue())


def digest_of(predicted: "np.ndarray") -> str:
    """SHA-256 over the values, independent of any file format."""
    import numpy as np

    return hashlib.sha256(np.ascontiguousarray(predicted, dtype="<f8").tobytes()).hexdigest()


def measure(
    part: "Part", target: "Target", predicted: "np.ndarray", primary: Metric, seeds: Seeds
) -> tuple[dict[str, float], Interval]:
    """All metrics of a part, the primary one among them, and the primary's bootstrap interval."""
    values = compute_all(target.task, part.y, predicted, weight=part.weight)
    values.setdefault(primary.name, compute(primary, part.y, predicted, weight=part.weight))
    interval = bootstrap_interval(primary, part.y, predicted, weight=part.weight, seeds=seeds.child(part.name))
    return values, interval
