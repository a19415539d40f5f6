"""The default feature transformer: scikit-learn's own parts over the inputs of `trainwright.data.inputs`.

Every choice here keeps an exact export possible: explicit categories, no "infrequent" level, dense one-hot, one dtype.
"""

from typing import TYPE_CHECKING

from trainwright.core.plan import FeatureStyle
from trainwright.core.seeds import Seeds
from trainwright.data.inputs import MISSING, Input, Inputs, text_keys

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.base import TransformerMixin
    from sklearn.compose import ColumnTransformer

_TEXT_TERMS = 20_000  # assumption: words and pairs kept for linear models, which take sparse rows
_TEXT_DENSE_TERMS = 300  # assumption: where neither sparse rows nor negative values can be had
_TEXT_DIMENSIONS = 100  # scikit-learn's recommendation for latent semantic analysis (TruncatedSVD, n_components)
_TEXT_SMALL = 2000  # assumption: below so many rows, fewer dimensions
_MIN_DOCUMENTS = 2  # a term of one row is its name


def build_transformer(
    inputs: Inputs, frame: "pd.DataFrame", *, style: FeatureStyle, sparse: bool, seeds: Seeds
) -> "tuple[ColumnTransformer, tuple[Input, ...]]":
    """The unfitted transformer, and the text columns left out because no term repeats in the given inputs.

    ``sparse`` lets text stay a sparse TF-IDF; otherwise it is reduced.
    """
    from sklearn.compose import ColumnTransformer

    steps: list[tuple[str, TransformerMixin | str, list[str] | str]] = []
    if inputs.numbers:
        steps.append(("numbers", _numbers(style), list(inputs.numbers)))
    if inputs.of("flag"):
        steps.append(("flags", _flags(inputs, style), text_keys(inputs, "flag")))
    levelled = [one for one in inputs.of("category") if one.categories]
    if levelled:
        keys = [f"category:{one.column}" for one in levelled]
        steps.append(("categories", _categories(levelled, style), keys))
    empty: list[Input] = []
    for one in inputs.of("text"):
        key = f"text:{one.column}"
        terms = _count_terms(frame[key])
        if terms == 0:
            empty.append(one)
            continue
        steps.append((f"text {one.column}", _text(terms, len(frame), style=style, sparse=sparse, seeds=seeds), key))
    threshold = 1.0 if sparse else 0.0
    made = ColumnTransformer(steps, remainder="drop", sparse_threshold=threshold, verbose_feature_names_out=False)
    return made, tuple(empty)


def feature_names(
    inputs: Inputs, transformer: "ColumnTransformer", style: FeatureStyle
) -> tuple[tuple[str, ...], dict[int, int]]:
    """Names of the matrix columns in order, and position -> number of levels of those that hold category codes."""
    names: list[str] = list(inputs.numbers) + [one.column for one in inputs.of("flag")]
    sizes: dict[int, int] = {}
    for one in inputs.of("category"):
        if not one.categories:
            continue
        if style in ("native", "ordinal"):
            sizes[len(names)] = len(one.categories)
            names.append(one.column)
        else:
            names += [
                f"{one.column}={level}" if level != MISSING else f"{one.column} (missing)" for level in levels(one)
            ]
    for name, step, _ in transformer.transformers_:
        if name.startswith("text "):
            names += _text_names(name.removeprefix("text "), step)
    return tuple(names), sizes


def levels(one: Input) -> list[str]:
    """The one-hot levels of a column: the kept ones, and the missing one."""
    return [MISSING, *one.categories]


def unknown_to_missing(X: "np.ndarray", columns: list[int]) -> None:
    """Turn the code -1 (missing, rare or never seen) into NaN, in place, for boosters that split on missing values."""
    import numpy as np

    for at in columns:
        codes = X[:, at]
        codes[codes < 0] = np.nan


def _numbers(style: FeatureStyle) -> "TransformerMixin | str":
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    if style == "native":
        return "passthrough"
    if style == "ordinal":
        return SimpleImputer(strategy="median", keep_empty_features=True)
    # Scaled first: then zero is the mean, in double precision, and no median has to be sorted for (8.8 s of 14.5 s).
    scaler = StandardScaler() if style == "scaled" else MinMaxScaler(clip=True)
    imputer = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return Pipeline([("scale", scaler), ("impute", imputer)])


def _flags(inputs: Inputs, style: FeatureStyle) -> "TransformerMixin":
    """Two words to 0 and 1; elsewhere -1, which is imputed where missing values are not wanted."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    encoder = _ordinal(list(inputs.of("flag")), inputs.dtype)
    if style == "native":
        return encoder
    imputer = SimpleImputer(missing_values=-1, strategy="most_frequent", keep_empty_features=True)
    return Pipeline([("encode", encoder), ("impute", imputer)])


def _categories(columns: list[Input], style: FeatureStyle) -> "TransformerMixin":
    import numpy as np
    from sklearn.preprocessing import OneHotEncoder

    if style in ("native", "ordinal"):
        return _ordinal(columns, "float32")
    return OneHotEncoder(
        categories=[_array(levels(one)) for one in columns],
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )


def _ordinal(columns: list[Input], dtype: str) -> "TransformerMixin":
    import numpy as np
    from sklearn.preprocessing import OrdinalEncoder

    return OrdinalEncoder(
        categories=[_array(list(one.categories)) for one in columns],
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        dtype=np.float32 if dtype == "float32" else np.float64,
    )


def _array(texts: list[str]) -> "np.ndarray":
    """An object array: explicit categories of that dtype keep their order."""
    import numpy as np

    return np.array(texts, dtype=object)


def _text(terms: int, rows: int, *, style: FeatureStyle, sparse: bool, seeds: Seeds) -> "TransformerMixin":
    from sklearn.decomposition import TruncatedSVD
    from sklearn.pipeline import Pipeline

    if sparse or style == "nonnegative":
        return _tfidf(_TEXT_TERMS if sparse else _TEXT_DENSE_TERMS)
    wanted = _TEXT_DIMENSIONS if rows >= _TEXT_SMALL else _TEXT_DIMENSIONS // 5
    dimensions = max(1, min(wanted, terms - 1, rows - 1))
    svd = TruncatedSVD(dimensions, random_state=seeds.integer("text"))
    return Pipeline([("terms", _tfidf(_TEXT_TERMS)), ("reduce", svd)])


def _tfidf(terms: int) -> "TransformerMixin":
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2), max_features=terms, min_df=_MIN_DOCUMENTS, sublinear_tf=True, dtype=np.float32
    )


def _count_terms(texts: "pd.Series") -> int:
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(ngram_range=(1, 2), max_features=_TEXT_TERMS, min_df=_MIN_DOCUMENTS, binary=True)
    try:
        return len(counter.fit(texts).vocabulary_)
    except ValueError:  # "empty vocabulary" or "no terms remain": the only errors fit has for text
        return 0


def _text_names(column: str, step: "TransformerMixin") -> list[str]:
    from sklearn.pipeline import Pipeline

    if isinstance(step, Pipeline):
        return [f"{column}[{i}]" for i in range(step[-1].n_components)]
    return [f"{column}: {term}" for term in step.get_feature_names_out()]
