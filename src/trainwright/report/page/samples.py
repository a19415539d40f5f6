"""Some held-out rows with what the model said of them: images as thumbnails, texts in their beginning."""

import base64
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwright.core.tasks import Task
from trainwright.report.facts import Facts
from trainwright.report.predictions import Predictions
from trainwright.report.words import amount, short

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 12  # rows: two lines of thumbnails
_SIDE = 96  # pixels of a thumbnail's longer side, and so about 3 kB each
_CHARACTERS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One row: a thumbnail (a data URI) or a text, the truth, the prediction, and whether they agree."""

    row: int
    image: str
    text: str
    truth: str
    predicted: str
    claim: str
    right: bool | None


def samples_of(facts: Facts) -> tuple[Sample, ...]:
    """Rows that the run kept in ``data/sample.parquet``, where they are images or texts; none for tables."""
    stored = facts.run / "data" / "sample.parquet"
    held = facts.held_out()
    features = [c for c in facts.columns if c.role == "feature"]
    if not stored.is_file() or held is None or facts.task is Task.LANGUAGE or len(features) != 1:
        return ()
    import pandas as pd

    rows = pd.read_parquet(stored).head(_SHOWN)
    if features[0].kind == "text" and features[0].name in rows:
        contents = [("", short(str(text), _CHARACTERS)) for text in rows[features[0].name]]
    elif features[0].kind == "image" and "path" in rows:
        contents = [(image, "") for image in _thumbnails(facts, rows)]
    else:
        return ()
    where = {int(row): at for at, row in enumerate(held.rows)}
    return tuple(
        _sample(held, where[int(row)], image, text)
        for row, (image, text) in zip(rows["row"], contents, strict=True)
        if int(row) in where
    )


def _thumbnails(facts: Facts, rows: "pd.DataFrame") -> list[str]:
    from PIL import Image

    found = []
    with zipfile.ZipFile(facts.run / "data" / "sample.zip") as archive:
        for path in rows["path"]:
            with archive.open(str(path)) as file, Image.open(file) as image:
                small = image.convert("RGB")
            small.thumbnail((_SIDE, _SIDE))
            buffer = io.BytesIO()
            small.save(buffer, format="JPEG", quality=85)
            found.append("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode())
    return found


def _sample(held: Predictions, at: int, image: str, text: str) -> Sample:
    row = int(held.rows[at])
    if not held.classes:
        truth, predicted = amount(float(held.y[at])), amount(float(held.predicted[at]))
        return Sample(row=row, image=image, text=text, truth=truth, predicted=predicted, claim="", right=None)
    code = int(held.predicted[at])
    return Sample(
        row=row,
        image=image,
        text=text,
        truth=held.classes[int(held.y[at])],
        predicted=held.classes[code],
        claim=f"{held.probability[at, code]:.0%}",
        right=code == int(held.y[at]),
    )
