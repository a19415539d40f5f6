"""Features: fitted on training rows, then the same for every row that follows. `fit_features` and `load_features`.

Each feature style that is no table has a module of its own with two functions, named in `_OWN_STYLES`::

    def fit(part, schema, target, *, style, seeds, options) -> tuple[Features, Matrix]
    def load(folder, facts) -> Features        # what Features.save wrote; facts is features.json, read
"""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from trainwright.core.errors import ArtifactRefused, DataRefused, SpecError
from trainwright.core.findings import Finding, Severity, finding_from_json
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.core.plan import FeatureStyle
from trainwright.core.seeds import Seeds
from trainwright.data.archive import decode, encode
from trainwright.data.inputs import Inputs, inputs_from_json, plan_inputs
from trainwright.data.pipelines import FeaturePipeline
from trainwright.data.transformers import build_transformer, feature_names, unknown_to_missing

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import scipy.sparse
    from sklearn.base import TransformerMixin

    from trainwright.data.dataset import Part, Schema, Target

    Matrix: TypeAlias = np.ndarray | scipy.sparse.csr_matrix

FORMAT = 1
# Logistic regression of 3 classes on 61,058 rows of 500 columns, 8.5 % of them not zero: 10 s of processor on sparse
# rows, 37 s on dense ones. On made tables of 200 and 500 columns sparse rows win up to a tenth, and lose from a fifth.
_WIDE = 200
_FEW_ENTRIES = 0.1
FACTS = "features.json"
_TRANSFORMER = "transformer.skops"
_OWN_STYLES: Mapping[str, str] = {
    "image": "trainwright.data.image_features",
    "array": "trainwright.data.array_features",
    "tokens": "trainwright.data.token_features",
    "language": "trainwright.data.language_features",
}


class Features(Protocol):
    """A fitted way from canonical frames to matrices.

    ``names`` are the inputs of a row as a report calls them. ``categorical`` are the columns of the matrix that hold
    category codes, ``category_sizes`` their numbers of levels. ``vocabulary`` counts token ids (0 where there are
    none). ``columns`` are the canonical columns it needs.
    """

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def categorical(self) -> tuple[int, ...]: ...
    @property
    def category_sizes(self) -> tuple[int, ...]: ...
    @property
    def vocabulary(self) -> int: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def style(self) -> FeatureStyle: ...

    def transform(self, frame: "pd.DataFrame") -> "Matrix":
        """Rows of a canonical frame as the array that the style describes (`trainwright.core.plan.FeatureStyle`)."""
        ...

    def save(self, folder: Path) -> None:
        """Write ``features.json`` and what else is needed into an existing folder; equal features, equal bytes.

        Raises:
            ArtifactRefused: it holds something that could not be loaded again safely.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFeatures:
    """Features of the table styles: a scikit-learn transformer over planned inputs, or a user's own pipeline.

    ``inputs`` is None with a user's own pipeline.
    """

    names: tuple[str, ...]
    categorical: tuple[int, ...]
    category_sizes: tuple[int, ...]
    findings: tuple[Finding, ...]
    columns: tuple[str, ...]
    style: FeatureStyle
    sparse: bool
    dtype: str
    inputs: Inputs | None
    transformer: "TransformerMixin"
    vocabulary: int = 0

    def transform(self, frame: "pd.DataFrame") -> "Matrix":
        """Rows of a canonical frame as a matrix of shape (rows, len(names)), float32 or float64, or CSR."""
        given = frame[list(self.columns)] if self.inputs is None else self.inputs.apply(frame)
        return _finish(self.transformer.transform(given), self)

    def save(self, folder: Path) -> None:
        """Write ``features.json`` and ``transformer.skops`` into an existing folder; equal features give equal bytes.

        Raises:
            ArtifactRefused: a user's pipeline holds types that could not be loaded again safely.
        """
        facts = {
            "format": FORMAT,
            "names": self.names,
            "categorical": self.categorical,
            "category_sizes": self.category_sizes,
            "findings": [finding.to_json() for finding in self.findings],
            "columns": self.columns,
            "style": self.style,
            "sparse": self.sparse,
            "dtype": self.dtype,
            "inputs": None if self.inputs is None else self.inputs.to_json(),
        }
        (folder / _TRANSFORMER).write_bytes(encode(self.transformer))
        (folder / FACTS).write_text(dumps(facts, indent=2) + "\n", encoding="utf-8")


def load_features(folder: Path) -> Features:
    """Read what `Features.save` wrote; runs no code of the file.

    Raises:
        ArtifactRefused: missing, damaged, of another format, or with types outside the fixed list.
    """
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise ArtifactRefused(f"{folder} has feature format {facts['format']}, this version reads {FORMAT}.")
        if facts["style"] in _OWN_STYLES:
            return cast(Features, importlib.import_module(_OWN_STYLES[facts["style"]]).load(folder, facts))
        return TableFeatures(
            names=tuple(facts["names"]),
            categorical=tuple(facts["categorical"]),
            category_sizes=tuple(facts["category_sizes"]),
            findings=tuple(finding_from_json(f) for f in facts["findings"]),
            columns=tuple(facts["columns"]),
            style=facts["style"],
            sparse=bool(facts["sparse"]),
            dtype=str(facts["dtype"]),
            inputs=None if facts["inputs"] is None else inputs_from_json(facts["inputs"]),
            transformer=decode(folder / _TRANSFORMER),
        )
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise ArtifactRefused(
            f"{folder} holds no features that can be read: {error}. Restore it from a copy."
        ) from error


def fit_features(
    part: "Part",
    schema: "Schema",
    target: "Target",
    *,
    style: FeatureStyle,
    accepts_sparse: bool,
    seeds: Seeds,
    pipeline: FeaturePipeline | None = None,
    options: Mapping[str, JsonValue] | None = None,
) -> "tuple[Features, Matrix]":
    """Fit features on one part's rows, and nothing else, and give its matrix.

    ``options`` are the plan's own for its style (the size of images, the length of texts).

    Raises:
        DataRefused: no column is left, or the user's pipeline does not give a usable matrix.
    """
    if style in _OWN_STYLES:
        if pipeline is not None:
            raise SpecError(
                f"data.feature_pipeline makes tables, and this model reads {style} rows. Remove one of them."
            )
        own = importlib.import_module(_OWN_STYLES[style])
        return cast(
            "tuple[Features, Matrix]",
            own.fit(part, schema, target, style=style, seeds=seeds, options=options or {}),
        )
    if pipeline is not None:
        return _fit_own(part, schema, target, pipeline, style=style, accepts_sparse=accepts_sparse)
    inputs, findings = plan_inputs(part.frame, schema, style)
    may_be_sparse = accepts_sparse and style in ("scaled", "nonnegative")
    terms = may_be_sparse and bool(inputs.of("text"))
    prepared = inputs.apply(part.frame)
    transformer, empty = build_transformer(inputs, prepared, style=style, sparse=terms, seeds=seeds)
    if not transformer.transformers:
        raise DataRefused(
            f"a model needs features, and none of the {len(schema.columns)} columns gives one: identifiers, constants "
            "and columns without a repeating value are left out. Name a kind under data.columns to keep one."
        )
    raw = transformer.fit_transform(prepared)
    del prepared
    names, sizes = feature_names(inputs, transformer, style)
    features = TableFeatures(
        names=names,
        categorical=tuple(sizes),
        category_sizes=tuple(sizes.values()),
        findings=(*findings, *(_no_terms(one.column) for one in empty)),
        columns=tuple(one.column for one in inputs.columns),
        style=style,
        sparse=terms or (may_be_sparse and _mostly_zeros(inputs, len(names))),
        dtype=inputs.dtype,
        inputs=inputs,
        transformer=transformer,
    )
    return features, _finish(raw, features)


def _mostly_zeros(inputs: Inputs, width: int) -> bool:
    """Whether one-hot columns leave so few entries in a row that solvers are faster on sparse rows."""
    entries = len(inputs.numbers) + len(inputs.of("flag", "category"))
    return width >= _WIDE and entries <= _FEW_ENTRIES * width


def _fit_own(
    part: "Part",
    schema: "Schema",
    target: "Target",
    pipeline: FeaturePipeline,
    *,
    style: FeatureStyle,
    accepts_sparse: bool,
) -> "tuple[Features, Matrix]":
    columns = tuple(c.name for c in schema.features)
    transformer = pipeline.build()
    frame = part.frame[list(columns)]
    try:
        raw = transformer.fit_transform(frame, part.y)
    except Exception as error:  # a user's code and parameters: anything may come
        raise DataRefused(
            f"the feature pipeline {pipeline.origin} failed on the training rows: {type(error).__name__}: {error}. "
            f"It is given the {len(columns)} feature columns as a frame: numbers as float64, text as str."
        ) from error
    shape: tuple[int, ...] = tuple(getattr(raw, "shape", ()))
    if len(shape) != 2 or shape[0] != len(part) or shape[1] == 0:
        raise DataRefused(
            f"the feature pipeline {pipeline.origin} must give one row per training row, and its output has the shape "
            f"{shape} for {len(part)} rows."
        )
    features = TableFeatures(
        names=_own_names(transformer, columns, int(shape[1])),
        categorical=(),
        category_sizes=(),
        findings=(),
        columns=columns,
        style=style,
        sparse=accepts_sparse,
        dtype="float32",
        inputs=None,
        transformer=transformer,
    )
    X = _finish(raw, features)
    _refuse_gaps(X, features, pipeline.origin)
    return features, X


def _own_names(transformer: "TransformerMixin", columns: tuple[str, ...], count: int) -> tuple[str, ...]:
    try:
        names = tuple(str(name) for name in transformer.get_feature_names_out(list(columns)))
    except (AttributeError, ValueError, TypeError, NotImplementedError):  # many transformers have no names to give
        names = ()
    return names if len(names) == count else tuple(f"feature {i}" for i in range(count))


def _refuse_gaps(X: "Matrix", features: TableFeatures, origin: str) -> None:
    import numpy as np
    import scipy.sparse

    if features.style == "native" or scipy.sparse.issparse(X):
        return
    bad = np.flatnonzero(~np.isfinite(X).all(axis=0))
    if len(bad):
        raise DataRefused(
            f"this model cannot use missing values, and the feature pipeline {origin} leaves them in "
            f"{', '.join(features.names[i] for i in bad[:5])}. Add a sklearn.impute.SimpleImputer."
        )


def _finish(raw: object, features: TableFeatures) -> "Matrix":
    """One float matrix, dense or CSR as the model takes it; codes of unknown levels to NaN where they may be."""
    import numpy as np
    import scipy.sparse

    if scipy.sparse.issparse(raw):
        if features.sparse:
            return scipy.sparse.csr_matrix(raw, dtype=features.dtype)
        raw = raw.toarray()  # type: ignore[attr-defined]  # issparse does not narrow
    if features.sparse and features.inputs is not None:
        return scipy.sparse.csr_matrix(raw, dtype=features.dtype)
    try:
        X = np.ascontiguousarray(raw, dtype=features.dtype)
    except (ValueError, TypeError) as error:
        raise DataRefused(f"the feature pipeline must give numbers, and gives something else: {error}.") from error
    if features.inputs is not None and features.style == "native":
        flags = [features.names.index(one.column) for one in features.inputs.of("flag")]
        unknown_to_missing(X, [*features.categorical, *flags])
    return X


def _no_terms(column: str) -> Finding:
    return Finding(
        code="data.text_without_terms",
        severity=Severity.WARNING,
        where=column,
        what="no word occurs in two training rows, so the text gives no features",
        fix="Name the column under data.columns.categorical, or ignore it.",
    )
