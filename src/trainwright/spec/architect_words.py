"""Words of architects, and where the spec's language has them."""

import re
from collections.abc import Mapping

from trainwright.core import registry
from trainwright.spec.loop import Loop
from trainwright.spec.models import EveryEngine, Search
from trainwright.spec.tree import Value

_NUMBER = re.compile(
    r"((section|part|step|phase)\s+)?(\d+(\.\d+)*|[ivx]+|[a-z])\s*[.):]\s+|(section|part|step)\s+\d+\s+"
)
_NUMBER_ALONE = re.compile(r"\d+(\.\d+)*\s+")
_SEARCH = re.compile(r"\bhyper ?parameters?\b|\bsearch space\b")
_BASELINES = re.compile(r"\bbaselines?\b")
_TRAINING = re.compile(
    r"^training( (strategy|recommendations?|plan|setup|configuration|procedure|settings|regime))?( |$)|"
    r"\btraining (strategy|recommendations?)\b"
)
_ARCHITECTURE = re.compile(r"\barchitecture\b|^model( (specification|spec|choice|selection))?$")
_ASIDE = re.compile(r"\b(alternatives?|rejected|considered|previous|deprecated|appendix|out of scope)\b")

_PARAMETERS = ("architecture_spec", "spec", "specification", "parameters", "params", "hyperparameters", "fixed")
_SPACES = ("search_space", "space", "parameters", "params", "hyperparameters", "ranges")
_PROBLEM = {
    "task": "task",
    "task_type": "task",
    "problem_type": "task",
    "target": "data.target",
    "target_column": "data.target",
    "label": "data.target",
    "metric": "training.metric",
    "primary_metric": "training.metric",
    "optimization_metric": "training.metric",
}
_PATHS: Mapping[str, Mapping[str, str]] = {
    "architecture": {
        **_PROBLEM,
        **dict.fromkeys(("model_type", "model", "model_family", "family", "algorithm"), "architecture.model_type"),
        **dict.fromkeys(("framework", "library"), "training.framework"),
        "device": "training.device",
        **dict.fromkeys(_PARAMETERS, "architecture.architecture_spec"),
    },
    "search": {
        **{key: f"hyperparameter_search.{key}" for key in Search.model_fields},
        **dict.fromkeys(("budget", "n_trials", "trials", "max_trials", "timeout"), "hyperparameter_search.budget"),
        **dict.fromkeys(_SPACES, "hyperparameter_search.search_space"),
    },
    "training": {
        **{key: f"training.{key}" for key in (*EveryEngine.model_fields, *Loop.model_fields, "distributed")},
        **_PROBLEM,
        "cv": "cross_validation",
        "cross_validation": "cross_validation",
        "split": "data.split",
        "columns": "data.columns",
        "baselines": "baselines",
    },
    "baselines": {},
}
PROSE = frozenset(
    {"rationale", "reason", "reasoning", "why", "description", "notes", "note", "summary", "justification", "comment"}
    | {"comments", "name", "title", "version", "author", "date", "references", "id", "status"}
)
"""Keys that explain to people; they are left alone."""

_FAMILIES = {
    "lgbm": "lightgbm",
    "lgb": "lightgbm",
    "xgb": "xgboost",
    "logistic_regression": "linear",
    "linear_regression": "linear",
    "logistic": "linear",
    "ridge": "linear",
    "ridge_regression": "linear",
    "linear_model": "linear",
    "majority_class": "dummy",
    "most_frequent": "dummy",
    "majority": "dummy",
    "mean_predictor": "dummy",
    "constant": "dummy",
    "randomforest": "random_forest",
    "extratrees": "extra_trees",
    "histgradientboosting": "hist_gradient_boosting",
    "hist_gbm": "hist_gradient_boosting",
    "k_nearest_neighbors": "knn",
    "k_nearest_neighbours": "knn",
    "kneighbors": "knn",
    "support_vector_machine": "svm",
    "multilayer_perceptron": "mlp",
    "multi_layer_perceptron": "mlp",
    "logisticregression": "linear",
    "gaussiannb": "naive_bayes",
}
_RANGE_KEYS = {"min": "low", "max": "high", "lower": "low", "upper": "high", "values": "choices", "options": "choices"}
_KIND_KEYS = ("type", "distribution", "dist", "scale", "sampling")
_TASKS = {
    "binary_classification": "binary",
    "multiclass_classification": "multiclass",
    "multi_class_classification": "multiclass",
    "multi_class": "multiclass",
}


def section_of_heading(title: str) -> str | None:
    """Which part of the spec a heading names: architecture, search, baselines, training; None for any other."""
    text = _plain(title)
    for section, pattern in (
        ("search", _SEARCH),
        ("baselines", _BASELINES),
        ("training", _TRAINING),
        ("architecture", _ARCHITECTURE),
    ):
        if pattern.search(text):
            return section
    return None


def is_aside(title: str) -> bool:
    """Whether a heading says that what stands below it is not the proposal."""
    return bool(_ASIDE.search(_plain(title)))


def _plain(title: str) -> str:
    """Lower case without numbering, emphasis, pictures."""
    text = re.sub(r"[*_`~]", "", title).strip().lower()
    text = re.sub(r"^[^\w]+", "", text)
    text = _NUMBER.sub("", text, count=1) if _NUMBER.match(text) else text
    text = _NUMBER_ALONE.sub("", text, count=1) if _NUMBER_ALONE.match(text) else text
    return " ".join(re.sub(r"[^\w ]", " ", text.replace("-", " ")).split())


def spelled(key: str) -> str:
    """A key in the spec's spelling: ``Model Type`` is ``model_type``."""
    return re.sub(r"[\s-]+", "_", key.strip().lower())


def path_of(section: str, key: str) -> str | None:
    """Where the spec has a key of a block under this heading."""
    return _PATHS[section].get(key)


def is_code_name(text: str) -> bool:
    """Whether a model's name is a file of code, wherever it lies."""
    return text.strip().startswith(("./", "/", "../", "~")) or ".py" in text


def family(text: str) -> str:
    """A family's name as the spec has it, where the words name one; else the text as it is."""
    known = registry.names("families")
    inner = re.findall(r"\(([^()]*)\)", text)
    for candidate in (text, re.sub(r"\([^()]*\)", "", text), *inner):
        name = spelled(candidate)
        for one in (name, re.sub(r"_?(classifier|regressor|model|baseline)$", "", name)):
            if one in known:
                return one
            if one in _FAMILIES:
                return _FAMILIES[one]
    return text


def task(text: str) -> str:
    """``binary`` for ``Binary classification``."""
    return _TASKS.get(spelled(text), text)


def dimension(value: Mapping[str, Value]) -> tuple[Value, list[str]]:
    """A range in the spec's form, and the keys that are no part of one.

    ``{min: 1e-3, max: 0.1, type: loguniform}`` is ``{low: 0.001, high: 0.1, log: true}``; what cannot be told stays as
    it is, for the rule that judges ranges.
    """
    found: dict[str, Value] = {}
    dropped: list[str] = []
    for key, one in value.items():
        name = spelled(key)
        if name in _KIND_KEYS and isinstance(one, str):
            found |= _kind(one)
        elif name == "range" and isinstance(one, list) and len(one) == 2:
            found |= {"low": one[0], "high": one[1]}
        elif name in PROSE or name == "default":
            dropped.append(key)
        else:
            found[_RANGE_KEYS.get(name, name)] = one
    return found, dropped


def _kind(text: str) -> dict[str, Value]:
    lowered = text.lower()
    return {key: True for key in ("log", "int") if key in lowered}
