"""Gradient boosted trees by LightGBM: leaf-wise growth, native categories and missing values."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.packages import needs_package
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
    is_on,
    is_one_of,
    number,
    whole,
    without_effect,
)
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("lightgbm",)
TASKS = TABLE_TASKS
SUMMARY = "Gradient boosted trees (LightGBM): fast, strong on tables, takes categories and missing values as they are"
SOURCE = (
    words.TUNED_DEFAULTS.format(name="LGBM_TD_CLASS, LGBM_TD_REG") + " " + words.TABARENA_SPACE.format(name="LightGBM")
)
FEATURES: FeatureStyle = "native"

SPACE: Mapping[str, Range] = {
    "learning_rate": Range(low=5e-3, high=0.1, log=True),
    "feature_fraction": Range(low=0.4, high=1.0),
    "bagging_fraction": Range(low=0.7, high=1.0),
    "num_leaves": Range(low=2, high=200, log=True, integer=True),
    "min_data_in_leaf": Range(low=1, high=64, log=True, integer=True),
    "extra_trees": Range(choices=(False, True)),
    "min_data_per_group": Range(low=2, high=100, log=True, integer=True),
    "cat_l2": Range(low=5e-3, high=2.0, log=True),
    "cat_smooth": Range(low=1e-3, high=100.0, log=True),
    "max_cat_to_onehot": Range(low=8, high=100, log=True, integer=True),
    "lambda_l1": Range(low=1e-4, high=1.0),
    "lambda_l2": Range(low=1e-4, high=2.0),
}

_LIBRARY: Mapping[str, JsonValue] = {
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "bagging_fraction": 1.0,
    "feature_fraction": 1.0,
    "extra_trees": False,
    "lambda_l1": 0.0,
    "lambda_l2": 0.0,
}
_LARGE: Mapping[str, JsonValue] = {
    **_LIBRARY,
    "learning_rate": 0.03,
    "num_leaves": 128,
    "feature_fraction": 0.9,
    "min_data_in_leaf": 5,
}
_TABREPO = "TabRepo's manual configurations (Salinas & Erickson 2024, tabrepo/models/lightgbm/generate.py)"

# As they were published, with four digits, in the order of `SPACE`.
_R33 = dict(zip(SPACE, (0.0154, 0.6189, 0.9625, 68, 1, False, 30, 0.1237, 68.86, 17, 0.1642, 0.6938), strict=True))
_R163 = dict(zip(SPACE, (0.01139, 0.528, 0.9784, 84, 3, False, 75, 0.1553, 0.009312, 42, 0.02693, 0.8375), strict=True))
_R177 = dict(zip(SPACE, (0.01786, 0.4622, 0.8769, 39, 3, True, 9, 0.3418, 15.43, 16, 0.2375, 0.3552), strict=True))
_R63 = dict(zip(SPACE, (0.03087, 0.4905, 0.7801, 24, 1, False, 83, 0.007144, 0.1338, 38, 0.6421, 0.5813), strict=True))
_R104 = dict(zip(SPACE, (0.04333, 0.6609, 0.9328, 19, 18, False, 6, 0.006764, 29.23, 42, 0.5567, 1.272), strict=True))

# The published order is that of an ensemble with other families. Here the first of the smaller portfolio comes first,
# and between slow ones what is over soon. Left out: rates below 0.01, one of which takes the time of five defaults.
PORTFOLIO = (
    (_R33, words.LEARNED.format(file="zeroshot_portfolio_2025.py", name="GBM r33")),
    (_LIBRARY, "LightGBM's own defaults"),
    (_R163, words.LEARNED.format(file="zeroshot_portfolio_cpu_2025_12_18.py", name="GBM r163")),
    (_R63, words.LEARNED.format(file="zeroshot_portfolio_cpu_2025_12_18.py", name="GBM r63")),
    (_LARGE, f"large: {_TABREPO}"),
    (_R177, words.LEARNED.format(file="zeroshot_portfolio_cpu_2025_12_18.py", name="GBM r177")),
    (_R104, words.LEARNED.format(file="zeroshot_portfolio_cpu_2025_12_18.py", name="GBM r104")),
)

_CLASSIFICATION: Mapping[str, JsonValue] = {
    "learning_rate": 0.04,
    "num_leaves": 50,
    "min_data_in_leaf": 40,
    "min_sum_hessian_in_leaf": 1e-7,
    "bagging_fraction": 0.75,
    "bagging_freq": 1,
    "feature_fraction": 1.0,
    "max_bin": 255,
}
_REGRESSION: Mapping[str, JsonValue] = {
    **_CLASSIFICATION,
    "learning_rate": 0.05,
    "num_leaves": 100,
    "min_data_in_leaf": 3,
    "bagging_fraction": 0.7,
}

_CLASS_OBJECTIVE = {Task.BINARY: "binary", Task.MULTICLASS: "multiclass"}
_NATIVE_OBJECTIVE = {
    "squared_error": "regression",
    "absolute_error": "regression_l1",
    "huber": "huber",
    "fair": "fair",
    "quantile": "quantile",
    "poisson": "poisson",
    "tweedie": "tweedie",
    "gamma": "gamma",
    "mape": "mape",
}
_OBJECTIVES = {
    **{name: name for name in _NATIVE_OBJECTIVE},
    **{native: name for name, native in _NATIVE_OBJECTIVE.items()},
    **dict.fromkeys(("l2", "mse", "rmse", "mean_squared_error"), "squared_error"),
    **dict.fromkeys(("l1", "mae", "mean_absolute_error"), "absolute_error"),
}
"""Every accepted regression objective, mapped to the common name."""

_RULES = {
    "objective": TEXT,
    "quantile": number(0, 1, above=True, below=True),
    "boosting": choice("gbdt", "dart"),
    "data_sample_strategy": choice("bagging", "goss"),
    "learning_rate": number(0, above=True),
    "num_leaves": whole(2, 131072),
    "max_depth": whole(-1),
    "min_data_in_leaf": whole(0),
    "min_sum_hessian_in_leaf": NOT_NEGATIVE,
    "bagging_fraction": SHARE,
    "pos_bagging_fraction": SHARE,
    "neg_bagging_fraction": SHARE,
    "bagging_freq": whole(0),
    "feature_fraction": SHARE,
    "feature_fraction_bynode": SHARE,
    "extra_trees": FLAG,
    "lambda_l1": NOT_NEGATIVE,
    "lambda_l2": NOT_NEGATIVE,
    "linear_tree": FLAG,
    "linear_lambda": NOT_NEGATIVE,
    "min_gain_to_split": NOT_NEGATIVE,
    "max_delta_step": number(),
    "path_smooth": NOT_NEGATIVE,
    "max_bin": whole(2),
    "min_data_in_bin": whole(1),
    "bin_construct_sample_cnt": whole(1),
    "enable_bundle": FLAG,
    "use_missing": FLAG,
    "zero_as_missing": FLAG,
    "min_data_per_group": whole(1),
    "max_cat_threshold": whole(1),
    "max_cat_to_onehot": whole(1),
    "cat_l2": NOT_NEGATIVE,
    "cat_smooth": NOT_NEGATIVE,
    "monotone_constraints": LIST,
    "monotone_constraints_method": choice("basic", "intermediate", "advanced"),
    "monotone_penalty": NOT_NEGATIVE,
    "interaction_constraints": LIST,
    "drop_rate": number(0, 1),
    "max_drop": whole(),
    "skip_drop": number(0, 1),
    "uniform_drop": FLAG,
    "xgboost_dart_mode": FLAG,
    "top_rate": number(0, 1),
    "other_rate": number(0, 1),
    "scale_pos_weight": number(0, above=True),
    "is_unbalance": FLAG,
    "boost_from_average": FLAG,
    "alpha": number(0, above=True),
    "fair_c": number(0, above=True),
    "tweedie_variance_power": number(1, 2, below=True),
    "poisson_max_delta_step": number(0, above=True),
    "use_quantized_grad": FLAG,
    "num_grad_quant_bins": whole(2),
    "quant_train_renew_leaf": FLAG,
    "stochastic_rounding": FLAG,
}

_DECIDED = {
    **dict.fromkeys(
        ("seed", "data_random_seed", "bagging_seed", "feature_fraction_seed", "drop_seed", "extra_seed",
         "objective_seed"), words.SEED,
    ),
    "num_iterations": words.ROUNDS_FIX,
    **dict.fromkeys(("early_stopping_round", "early_stopping_min_delta", "first_metric_only"), words.STOPPING),
    "num_threads": words.THREADS,
    "metric": words.METRIC,
    "device_type": words.DEVICE,
    "verbosity": words.LOGGING,
    "categorical_feature": words.CATEGORICAL,
    "num_class": words.CLASSES,
    **dict.fromkeys(("deterministic", "force_row_wise", "force_col_wise"), words.DETERMINISM),
}  # fmt: skip

_ALIASES = {"n_estimators": "num_iterations", "random_state": "seed", "n_jobs": "num_threads"}
"""Typical ones, so that the usual slips are found without importing LightGBM."""


def _native_aliases() -> Mapping[str, str]:
    """Every parameter name LightGBM itself lists, mapped to the one it stands for."""
    with needs_package("lightgbm", "boost"):
        from lightgbm.basic import _ConfigAliases
    listed: Mapping[str, list[str]] = _ConfigAliases._get_all_param_aliases()
    return {alias: name for name, aliases in listed.items() for alias in (name, *aliases)}


_VOCABULARY = Vocabulary(
    package="LightGBM", rules=_RULES, decided=_DECIDED, aliases=_ALIASES, native_aliases=_native_aliases
)


def _samples_rows(params: Mapping[str, JsonValue]) -> bool:
    shares = (params.get(name, 1) for name in ("bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction"))
    return any(isinstance(share, int | float) and share < 1 for share in shares)


_EFFECTS = (
    Effect(
        ("bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction"),
        "bagging_freq above 0 and data_sample_strategy: bagging",
        lambda p: bool(p.get("bagging_freq", 0)) and p.get("data_sample_strategy", "bagging") == "bagging",
    ),
    Effect(
        ("bagging_freq",),
        "bagging_fraction below 1 and data_sample_strategy: bagging",
        lambda p: (_samples_rows(p) or not p.get("bagging_freq")) and p.get("data_sample_strategy") != "goss",
    ),
    Effect(
        ("pos_bagging_fraction", "neg_bagging_fraction", "scale_pos_weight", "is_unbalance"),
        "a binary target",
        is_one_of("objective", "binary"),
    ),
    Effect(
        ("drop_rate", "max_drop", "skip_drop", "uniform_drop", "xgboost_dart_mode"),
        "boosting: dart",
        is_one_of("boosting", "dart"),
    ),
    Effect(("top_rate", "other_rate"), "data_sample_strategy: goss", is_one_of("data_sample_strategy", "goss")),
    Effect(("linear_lambda",), "linear_tree: true", is_on("linear_tree")),
    Effect(("quantile",), "objective: quantile", is_one_of("objective", "quantile")),
    Effect(("alpha",), "objective: huber or quantile", is_one_of("objective", "huber", "quantile")),
    Effect(("fair_c",), "objective: fair", is_one_of("objective", "fair")),
    Effect(("tweedie_variance_power",), "objective: tweedie", is_one_of("objective", "tweedie")),
    Effect(("poisson_max_delta_step",), "objective: poisson", is_one_of("objective", "poisson")),
    Effect(
        ("num_grad_quant_bins", "quant_train_renew_leaf", "stochastic_rounding"),
        "use_quantized_grad: true",
        is_on("use_quantized_grad"),
    ),
    Effect(
        ("monotone_constraints_method", "monotone_penalty"),
        "monotone_constraints",
        lambda p: "monotone_constraints" in p,
    ),
)


def defaults(request: Request) -> dict[str, JsonValue]:
    """The tuned defaults for the task."""
    if request.task.is_classification:
        return {"objective": _CLASS_OBJECTIVE[request.task], **_CLASSIFICATION}
    return {"objective": "regression", **_REGRESSION}


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
    if "alpha" in named and "quantile" in named:
        found.append(ParamProblem(name="alpha", what="says the same as quantile", fix="give one of them"))
    if merged.get("objective") == "quantile" and not float(str(merged.get("alpha", 0.5))) < 1:
        found.append(ParamProblem(name="alpha", what="must be below 1 for a quantile", fix="for example 0.9"))
    if named.get("is_unbalance") is True and "scale_pos_weight" in named:
        found.append(ParamProblem(name="is_unbalance", what="contradicts scale_pos_weight", fix="give one of them"))
    return found


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """User parameters over the tuned defaults."""
    merged = _merged(_VOCABULARY.translate(params)[0], request)
    if request.task.is_classification:
        loss = words.CLASSIFICATION_LOSS[request.task]
    else:
        loss = words.loss_text(_OBJECTIVES[str(merged["objective"])], merged.get("alpha"))
    return words.booster_plan("lightgbm", merged, request, loss)


def _merged(named: Mapping[str, JsonValue], request: Request) -> dict[str, JsonValue]:
    """Defaults and user parameters in LightGBM's own words, without defaults a user choice makes meaningless."""
    merged = {**defaults(request), **named}
    if not request.task.is_classification:
        merged["objective"] = _NATIVE_OBJECTIVE[_OBJECTIVES[str(merged["objective"])]]
    quantile = merged.pop("quantile", None)
    if merged["objective"] == "quantile" and "alpha" not in merged:
        merged["alpha"] = 0.5 if quantile is None else quantile
    if merged.get("data_sample_strategy") == "goss" or merged.get("bagging_freq") == 0:
        for name in ("bagging_fraction", "bagging_freq"):
            if name not in named:
                merged.pop(name, None)
    return merged
