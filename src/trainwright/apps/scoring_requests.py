"""What ``POST /predict`` takes: a JSON object with one of ``rows``, ``texts``, ``images``, ``arrays``, ``text``.

Which one is the model's matter; ``interval`` may be beside it. Everything is checked before a model sees it.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from trainwright.core.jsonable import JsonValue
from trainwright.stages.in_memory import (
    MOST_PIXELS,
    Form,
    Scored,
    form_of,
    score_arrays,
    score_images,
    score_language,
    text_column,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.stages.scoring import OpenModel

MOST_ROWS = 10_000  # of one request (assumption: larger ones belong in a file, for `trainwright predict`)
MOST_CHARACTERS = 100_000  # of the text for a language model (assumption: each is a step of a network)

_INTERVAL = "interval"
_WORDS: dict[str, str] = {
    "rows": '{"rows": [{"COLUMN": value, ...}, ...]} with at least one row',
    "texts": '{"texts": ["...", ...]} with at least one text',
    "images": '{"images": ["BASE64", ...]} with at least one PNG or JPEG file',
    "arrays": '{"arrays": [[...], ...]} with at least one array of numbers',
    "text": '{"text": "..."}',
}


class BadRequest(Exception):
    """A request that cannot be answered: the status, and the words for the client."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status
        self.what = what


def describe_request(model: "OpenModel") -> dict[str, JsonValue]:
    """The form of a request, for people and programs."""
    keys = _keys(model)
    told: dict[str, JsonValue] = {"keys": list(keys), "form": " or ".join(_WORDS[key] for key in keys)}
    if "images" in keys:
        told["most_pixels"] = MOST_PIXELS
    if "text" in keys:
        told["most_characters"] = MOST_CHARACTERS
    if model.residuals is not None:
        told[_INTERVAL] = "level of prediction intervals, above 0 and below 1"
    return told


def answer_to(model: "OpenModel", body: bytes) -> "Scored":
    """The predictions that a request asks for, and what was noticed.

    Raises:
        BadRequest: no JSON, another form than the model's, too much, or a value that cannot be one.
        DataRefused: the model cannot score these rows.
        SpecError: the model has no such interval.
    """
    value = _object(body)
    keys = _keys(model)
    given = [key for key in value if key != _INTERVAL]
    if len(given) != 1 or given[0] not in keys:
        raise BadRequest(422, f"the body must be {' or '.join(_WORDS[key] for key in keys)}")
    return _READERS[given[0]](model, value[given[0]], _level(value))


def _keys(model: "OpenModel") -> tuple[str, ...]:
    form: Form = form_of(model)
    return ("rows", "texts") if form == "rows" and text_column(model) else (form,)


def _object(body: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadRequest(400, f"the body is no JSON: {error}") from error
    return value if isinstance(value, dict) else {}


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r:.60} is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _level(value: Mapping[str, object]) -> float | None:
    """The level of intervals, where one is asked for."""
    level = value.get(_INTERVAL)
    if level is None:
        return None
    if isinstance(level, bool) or not isinstance(level, int | float):
        raise BadRequest(422, f"interval must be a number, got {type(level).__name__}")
    return float(level)


def _items(value: object, key: str) -> Sequence[object]:
    if not isinstance(value, list) or not value:
        raise BadRequest(422, f"the body must be {_WORDS[key]}")
    if len(value) > MOST_ROWS:
        raise BadRequest(413, f"at most {MOST_ROWS:,} rows a request, got {len(value):,}; score files with `predict`")
    return value


def _texts(value: object, key: str) -> list[str]:
    items = _items(value, key)
    for number, one in enumerate(items):
        if not isinstance(one, str):
            raise BadRequest(422, f"{key}, {number}: a text is needed, got {type(one).__name__}")
    return [str(one) for one in items]


def _score_rows(model: "OpenModel", value: object, interval: float | None) -> "Scored":
    return model.predict(_frame(_items(value, "rows")), interval=interval)


def _frame(rows: Sequence[object]) -> "pd.DataFrame":
    import pandas as pd

    records: list[dict[str, object]] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadRequest(422, f"row {number} must be an object, got {type(row).__name__}")
        records.append(row)
        for name, one in row.items():
            if not (one is None or isinstance(one, str | int | float)):
                raise BadRequest(422, f"row {number}, {name!r:.60}: a number, text, true, false or null is needed")
            if isinstance(one, int) and abs(one) >= 2**63:
                raise BadRequest(422, f"row {number}, {name!r:.60}: a whole number of more than 63 bits")
    return pd.DataFrame.from_records(records)


def _score_texts(model: "OpenModel", value: object, interval: float | None) -> "Scored":
    import pandas as pd

    name = text_column(model)
    assert name is not None  # `_keys` offers texts only then
    return model.predict(pd.DataFrame({name: pd.Series(_texts(value, "texts"), dtype="str")}), interval=interval)


def _score_images(model: "OpenModel", value: object, interval: float | None) -> "Scored":
    images = []
    for number, text in enumerate(_texts(value, "images")):
        try:
            images.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError) as error:
            raise BadRequest(422, f"images, {number}: no base64 ({error})") from error
    return score_images(model, images, interval=interval)


def _score_arrays(model: "OpenModel", value: object, interval: float | None) -> "Scored":
    return score_arrays(model, _numbers(_items(value, "arrays")), interval=interval)


def _numbers(rows: Sequence[object]) -> "np.ndarray":
    import numpy as np

    try:
        found = np.array(rows)
    except ValueError as error:  # NumPy's word for it is "inhomogeneous"
        raise BadRequest(422, "arrays must be numbers in lists of equal lengths") from error
    if found.dtype.kind not in "iuf":
        raise BadRequest(422, "arrays must be numbers in lists of equal lengths")
    return found


def _score_text(model: "OpenModel", value: object, interval: float | None) -> "Scored":
    if not isinstance(value, str):
        raise BadRequest(422, f"the body must be {_WORDS['text']}")
    if len(value) > MOST_CHARACTERS:
        raise BadRequest(
            413, f"at most {MOST_CHARACTERS:,} characters a request, got {len(value):,}; score files with `predict`"
        )
    if interval is not None:
        model.offsets(interval)  # says that there are none
    return score_language(model, value)


_READERS: "Mapping[str, Callable[[OpenModel, object, float | None], Scored]]" = {
    "rows": _score_rows,
    "texts": _score_texts,
    "images": _score_images,
    "arrays": _score_arrays,
    "text": _score_text,
}
