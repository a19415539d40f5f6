"""Gradient boosted trees by XGBoost: depth-wise growth, native categories and missing values."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.families import _booster_words as words
from trainwright.families._param_rules import (
    FLAG,
    LIST,
    NOT_NEGATIVE,
    SHARE,
    TEXT,
    Effect,
    Vocabulary,
    choice,
    is_one_of,
    number,
    whole,
    without_effect,
)
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("xgboost",)
TASKS = TABLE_TASKS
SUMMARY = "Gradient boosted trees (XGBoost): strong on tables, takes categories and missing values as they are"
SOURCE = (
    words.TUNED_DEFAULTS.format(name="XGB_TD_CLASS, XGB_TD_REG") + " " + words.TABARENA_SPACE.format(name="XGBoost")
)
FEATURES: FeatureStyle = "native"

SPACE: Mapping[str, Range] = {
    "learning_rate": Range(low=5e-3, high=0.1, log=True),
    "max_depth": Range(low=4, high=10, log=True, integer=True),
    "min_child_weight": Range(low=1e-3, high=5.0, log=True),
    "subsample": Range(low=0.6, high=1.0),
    "colsample_bylevel": Range(low=0.6, high=1.0),
    "colsample_bynode": Range(low=0.6, high=1.0),
    "reg_alpha": Range(low=1e-4, high=5.0),
    "reg_lambda": Range(low=1e-4, high=5.0),
    "grow_policy": Range(choices=("depthwise", "lossguide")),
    "max_cat_to_onehot": Range(low=8, high=100, log=True, integer=True),
    "max_leaves": Range(low=8, high=1024, log=True, integer=True),
}

_LIBRARY: Mapping[str, JsonValue] = {
    "learning_rate": 0.3,
    "max_depth": 6,
    "min_child_weight": 1.0,
    "subsample": 1.0,
    "colsample_bylevel": 1.0,
    "colsample_bynode": 1.0,
    "reg_alpha": 0.0,
    "reg_lambda": 1.0,
    "grow_policy": "depthwise",
}
_R40: Mapping[str, JsonValue] = {
    "learning_rate": 0.01125,
    "max_depth": 10,
    "max_leaves": 35,
    "grow_policy": "lossguide",
    "min_child_weight": 0.1403,
    "subsample": 0.6949,
    "colsample_bylevel": 0.6377,
    "colsample_bynode": 0.9238,
    "reg_alpha": 3.496,
    "reg_lambda": 1.306,
    "max_cat_to_onehot": 33,
}
PORTFOLIO = (
    ({**_LIBRARY, "learning_rate": 0.1}, "XGBoost's own defaults, at a third of its learning rate"),
    (_R40, words.LEARNED.format(file="zeroshot_portfolio_2025.py", name="XGB r40")),
)

_CLASSIFICATION: Mapping[str, JsonValue] = {
    "tree_method": "hist",
    "max_bin": 256,
    "learning_rate": 0.08,
    "max_depth": 6,
    "min_child_weight": 5e-6,
    "reg_lambda": 0.0,
    "subsample": 0.65,
    "colsample_bylevel": 0.9,
}
_REGRESSION: Mapping[str, JsonValue] = {
    "tree_method": "hist",
    "max_bin": 256,
    "learning_rate": 0.05,
    "max_depth": 9,
    "min_child_weight": 2.0,
    "reg_lambda": 0.0,
    "subsample": 0.7,
}

_CLASS_OBJECTIVE = {Task.BINARY: "binary:logistic", Task.MULTICLASS: "multi:softprob"}
_NATIVE_OBJECTIVE = {
    "squared_error": "reg:squarederror",
    "absolute_error": "reg:absoluteerror",
    "huber": "reg:pseudohubererror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
    "tweedie": "reg:tweedie",
    "gamma": "reg:gamma",
    "squared_log_error": "reg:squaredlogerror",
}
_OBJECTIVES = {
    **{name: name for name in _NATIVE_OBJECTIVE},
    **{native: name for name, native in _NATIVE_OBJECTIVE.items()},
}
"""Every accepted regression objective, mapped to the common name."""

_RULES = {
    "objective": TEXT,
    "quantile": number(0, 1, above=True, below=True),
    "quantile_alpha": number(0, 1, above=True, below=True),
    "booster": choice("gbtree", "dart"),
    "tree_method": choice("hist", "approx", "exact"),
    "learning_rate": number(0, above=True),
    "gamma": NOT_NEGATIVE,
    "max_depth": whole(0),
    "max_leaves": whole(0),
    "max_bin": whole(2),
    "grow_policy": choice("depthwise", "lossguide"),
    "min_child_weight": NOT_NEGATIVE,
    "max_delta_step": NOT_NEGATIVE,
    "subsample": SHARE,
    "colsample_bytree": SHARE,
    "colsample_bylevel": SHARE,
    "colsample_bynode": SHARE,
    "reg_lambda": NOT_NEGATIVE,
    "reg_alpha": NOT_NEGATIVE,
    "scale_pos_weight": number(0, above=True),
    "num_parallel_tree": whole(1),
    "monotone_constraints": LIST,
    "interaction_constraints": LIST,
    "multi_strategy": choice("one_output_per_tree", "multi_output_tree"),
    "max_cat_to_onehot": whole(1),
    "max_cat_threshold": whole(1),
    "base_score": number(),
    "huber_slope": number(0, above=True),
    "tweedie_variance_power": number(1, 2, above=True, below=True),
    "rate_drop": number(0, 1),
    "skip_drop": number(0, 1),
    "one_drop": FLAG,
    "sample_type": choice("uniform", "weighted"),
    "normalize_type": choice("tree", "forest"),
}

_DECIDED = {
    **dict.fromkeys(("seed", "seed_per_iteration"), words.SEED),
    "num_boost_round": words.ROUNDS_FIX,
    "early_stopping_rounds": words.STOPPING,
    "nthread": words.THREADS,
    **dict.fromkeys(("eval_metric", "disable_default_eval_metric"), words.METRIC),
    "device": words.DEVICE,
    "verbosity": words.LOGGING,
    **dict.fromkeys(("enable_categorical", "feature_types"), words.CATEGORICAL),
    "num_class": words.CLASSES,
}

_ALIASES = {
    "eta": "learning_rate",
    "lambda": "reg_lambda",
    "alpha": "reg_alpha",
    "min_split_loss": "gamma",
    "n_estimators": "num_boost_round",
    "num_round": "num_boost_round",
    "n_jobs": "nthread",
    "random_state": "seed",
    "random_seed": "seed",
    "verbose": "verbosity",
    "silent": "verbosity",
}
_KNOWN_WITHOUT_EFFECT = frozenset(
    {
        "updater", "refresh_leaf", "process_type", "sampling_method", "max_cached_hist_node", "extmem_single_page",
        "sketch_ratio", "validate_parameters", "feature_selector", "top_k", "missing", "importance_type", "callbacks",
        "lambdarank_pair_method", "lambdarank_num_pair_per_sample", "aft_loss_distribution", "gpu_id", "predictor",
    }
)  # fmt: skip
"""XGBoost has no list of its parameters to ask; these are the documented ones that do nothing in these plans."""


def _native_aliases() -> Mapping[str, str]:
    return {name: name for name in _KNOWN_WITHOUT_EFFECT}


_VOCABULARY = Vocabulary(
    package="XGBoost", rules=_RULES, decided=_DECIDED, aliases=_ALIASES, native_aliases=_native_aliases
)

_EFFECTS = (
    Effect(("scale_pos_weight",), "a binary target", is_one_of("objective", "binary:logistic")),
    Effect(
        ("rate_drop", "skip_drop", "one_drop", "sample_type", "normalize_type"),
        "booster: dart",
        is_one_of("booster", "dart"),
    ),
    Effect(
        ("max_bin", "grow_policy", "max_leaves", "max_cat_to_onehot", "max_cat_threshold"),
        "tree_method: hist or approx",
        is_one_of("tree_method", "hist", "approx"),
    ),
    Effect(("quantile", "quantile_alpha"), "objective: quantile", is_one_of("objective", "reg:quantileerror")),
    Effect(("huber_slope",), "objective: huber", is_one_of("objective", "reg:pseudohubererror")),
    Effect(("tweedie_variance_power",), "objective: tweedie", is_one_of("objective", "reg:tweedie")),
    Effect(("multi_strategy",), "a multiclass target", is_one_of("objective", "multi:softprob")),
)


def defaults(request: Request) -> dict[str, JsonValue]:
    """The tuned defaults for the task."""
    if request.task.is_classification:
        return {"objective": _CLASS_OBJECTIVE[request.task], **_CLASSIFICATION}
    return {"objective": "reg:squarederror", **_REGRESSION}


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """All that is wrong with user parameters."""
    named, found = _VOCABULARY.translate(params)
    found += _VOCABULARY.value_problems(named)
    if "objective" in named and not any(p.name == "objective" for p in found):
        wrong = words.objective_problem(named["objective"], request, _OBJECTIVES, _CLASS_OBJECTIVE)
        found += [wrong] if wrong else []
    if found:
        return found
    merged = _merged(named, request)
    found = without_effect(named, {**named, **merged}, _EFFECTS)
    if "quantile" in named and "quantile_alpha" in named:
        found.append(ParamProblem(name="quantile_alpha", what="says the same as quantile", fix="give one of them"))
    if not merged["max_depth"] and not merged.get("max_leaves") and merged["tree_method"] != "exact":
        fix = "set max_leaves, or max_depth above 0"
        found.append(ParamProblem(name="max_depth", what="0 means no limit, and max_leaves sets none either", fix=fix))
    return found


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the tuned defaults."""
    merged = _merged(_VOCABULARY.translate(params)[0], request)
    if request.task.is_classification:
        loss = words.CLASSIFICATION_LOSS[request.task]
    else:
        loss = words.loss_text(_OBJECTIVES[str(merged["objective"])], merged.get("quantile_alpha"))
    return words.booster_plan("xgboost", merged, request, loss)


def _merged(named: Mapping[str, JsonValue], request: Request) -> dict[str, JsonValue]:
    """Defaults and user parameters in XGBoost's own words, without defaults a user choice makes meaningless."""
    merged = {**defaults(request), **named}
    if not request.task.is_classification:
        merged["objective"] = _NATIVE_OBJECTIVE[_OBJECTIVES[str(merged["objective"])]]
    quantile = merged.pop("quantile", None)
    if merged["objective"] == "reg:quantileerror" and "quantile_alpha" not in merged:
        merged["quantile_alpha"] = 0.5 if quantile is None else quantile
    if merged["tree_method"] == "exact" and "max_bin" not in named:
        merged.pop("max_bin", None)
    return merged
