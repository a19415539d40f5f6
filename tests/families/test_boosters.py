"""LightGBM, XGBoost and CatBoost families: names, limits, effects, objectives, and their sources."""

import subprocess
import sys
import warnings
from collections.abc import Mapping

import pytest

from trainwright.core import registry
from trainwright.core.errors import ResourceMissing
from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import Task
from trainwright.families import catboost, lightgbm, xgboost
from trainwright.families.contract import ParamProblem, Request

BINARY = Request(task=Task.BINARY, num_classes=2, rows=1000, columns=10)
MULTICLASS = Request(task=Task.MULTICLASS, num_classes=4, rows=1000, columns=10)
REGRESSION = Request(task=Task.REGRESSION, rows=1000, columns=10)

Given = Mapping[str, JsonValue]


def problems(family: str, params: Given, request: Request = BINARY) -> list[ParamProblem]:
    found: list[ParamProblem] = registry.load("families", family).problems(params, request)
    return found


BROKEN: list[tuple[str, Given, Request, str]] = [
    # names
    ("lightgbm", {"num_leavez": 31}, BINARY, "did you mean 'num_leaves'"),
    ("xgboost", {"colsample_bytre": 0.5}, BINARY, "did you mean 'colsample_bytree'"),
    ("catboost", {"learnin_rate": 0.5}, BINARY, "did you mean 'learning_rate'"),
    ("lightgbm", {"zzz": 1}, BINARY, "parameters: "),
    ("lightgbm", {"eta": 0.1, "learning_rate": 0.1}, BINARY, "another name of 'eta'"),
    ("lightgbm", {"subsample": 0.5, "bagging_fraction": 0.5}, BINARY, "another name of 'subsample'"),
    ("xgboost", {"alpha": 1, "reg_alpha": 1}, BINARY, "another name of 'alpha'"),
    ("catboost", {"max_depth": 4, "depth": 4}, BINARY, "another name of 'max_depth'"),
    ("lightgbm", {"random_state": 1}, BINARY, "`seed` at the top"),
    ("lightgbm", {"bagging_fraction_seed": 1}, BINARY, "`seed` at the top"),
    ("lightgbm", {"n_jobs": 4}, BINARY, "training.threads"),
    ("lightgbm", {"num_boost_round": 4}, BINARY, "training.rounds"),
    ("lightgbm", {"early_stopping_rounds": 4}, BINARY, "training.early_stopping"),
    ("lightgbm", {"device": "gpu"}, BINARY, "training.device"),
    ("lightgbm", {"metric": "auc"}, BINARY, "training.metric"),
    ("lightgbm", {"cat_feature": [1]}, BINARY, "data.columns.categorical"),
    ("lightgbm", {"num_class": 3}, MULTICLASS, "number of classes"),
    ("lightgbm", {"header": True}, BINARY, "no effect on training"),
    ("xgboost", {"n_estimators": 4}, BINARY, "training.rounds"),
    ("xgboost", {"eval_metric": "auc"}, BINARY, "training.metric"),
    ("xgboost", {"predictor": "cpu"}, BINARY, "no effect on training"),
    ("catboost", {"iterations": 4}, BINARY, "training.rounds"),
    ("catboost", {"train_dir": "x"}, BINARY, "run folder"),
    ("catboost", {"class_weights": [1, 2]}, BINARY, "class_weight"),
    ("catboost", {"text_features": [1]}, BINARY, "no effect on training"),
    # values
    ("lightgbm", {"learning_rate": 0}, BINARY, "above 0"),
    ("lightgbm", {"learning_rate": float("nan")}, BINARY, "finite"),
    ("lightgbm", {"learning_rate": float("inf")}, BINARY, "finite"),
    ("lightgbm", {"learning_rate": "0.1"}, BINARY, "a number"),
    ("lightgbm", {"learning_rate": True}, BINARY, "a number"),
    ("lightgbm", {"num_leaves": 1}, BINARY, "at least 2"),
    ("lightgbm", {"num_leaves": 31.5}, BINARY, "whole number"),
    ("lightgbm", {"bagging_fraction": 1.5}, BINARY, "at most 1"),
    ("lightgbm", {"bagging_fraction": 0}, BINARY, "above 0"),
    ("lightgbm", {"extra_trees": "yes"}, BINARY, "true or false"),
    ("lightgbm", {"boosting": "dartt"}, BINARY, "gbdt, dart"),
    ("lightgbm", {"monotone_constraints": 1}, BINARY, "a list"),
    ("xgboost", {"subsample": 2}, BINARY, "at most 1"),
    ("xgboost", {"max_depth": -1}, BINARY, "at least 0"),
    ("xgboost", {"max_depth": 0}, BINARY, "no limit"),
    ("xgboost", {"tree_method": "gpu_hist"}, BINARY, "hist, approx, exact"),
    ("catboost", {"depth": 17}, BINARY, "at most 16"),
    ("catboost", {"bootstrap_type": "Poisson"}, BINARY, "Bernoulli"),
    # objectives
    ("lightgbm", {"objective": "quantile"}, BINARY, "does not fit a binary target"),
    ("lightgbm", {"objective": "binary"}, REGRESSION, "does not fit a regression target"),
    ("lightgbm", {"objective": 3}, REGRESSION, "must be text"),
    ("lightgbm", {"objective": "quantile", "quantile": 1}, REGRESSION, "below 1"),
    ("lightgbm", {"objective": "quantile", "alpha": 5}, REGRESSION, "below 1"),
    ("lightgbm", {"objective": "quantile", "alpha": 0.5, "quantile": 0.9}, REGRESSION, "says the same"),
    ("xgboost", {"objective": "multi:softmax"}, MULTICLASS, "multi:softprob"),
    ("xgboost", {"objective": "quantile", "quantile_alpha": 0.5, "quantile": 0.9}, REGRESSION, "says the same"),
    ("catboost", {"objective": "Quantile:alpha=x"}, REGRESSION, "cannot read"),
    ("catboost", {"objective": "RMSEWithUncertainty"}, REGRESSION, "does not fit"),
    # no effect
    ("lightgbm", {"bagging_fraction": 0.5, "bagging_freq": 0}, BINARY, "bagging_freq above 0"),
    ("lightgbm", {"bagging_freq": 5, "bagging_fraction": 1.0}, BINARY, "bagging_fraction below 1"),
    ("lightgbm", {"bagging_fraction": 0.5, "data_sample_strategy": "goss"}, BINARY, "data_sample_strategy: bagging"),
    ("lightgbm", {"drop_rate": 0.5}, BINARY, "boosting: dart"),
    ("lightgbm", {"top_rate": 0.5}, BINARY, "goss"),
    ("lightgbm", {"quantile": 0.5}, REGRESSION, "objective: quantile"),
    ("lightgbm", {"scale_pos_weight": 2.0}, MULTICLASS, "a binary target"),
    ("lightgbm", {"scale_pos_weight": 2.0, "is_unbalance": True}, BINARY, "contradicts"),
    ("xgboost", {"rate_drop": 0.5}, BINARY, "booster: dart"),
    ("xgboost", {"max_bin": 64, "tree_method": "exact"}, BINARY, "hist or approx"),
    ("xgboost", {"huber_slope": 2.0}, REGRESSION, "objective: huber"),
    ("catboost", {"bagging_temperature": 1.0, "bootstrap_type": "Bernoulli"}, BINARY, "Bayesian"),
    ("catboost", {"subsample": 0.5, "bootstrap_type": "No"}, BINARY, "Bernoulli or MVS"),
    ("catboost", {"max_leaves": 31}, BINARY, "Lossguide"),
    ("catboost", {"min_data_in_leaf": 31}, BINARY, "Depthwise or Lossguide"),
    ("catboost", {"boosting_type": "Ordered", "grow_policy": "Depthwise"}, BINARY, "SymmetricTree"),
]


@pytest.mark.parametrize(("family", "params", "request_", "said"), BROKEN, ids=str)
def test_broken_parameters(family: str, params: Given, request_: Request, said: str) -> None:
    found = problems(family, params, request_)
    assert any(said in f"{p.what} {p.fix}" and p.name in params for p in found), found


FINE: list[tuple[str, Given, Request]] = [
    ("lightgbm", {"eta": 0.1, "max_leaves": 8, "reg_lambda": 1.0, "min_child_samples": 5}, BINARY),
    ("lightgbm", {"max_depth": -1, "num_leaves": 31.0, "bagging_freq": 0}, BINARY),
    ("lightgbm", {"boosting": "dart", "drop_rate": 0.1}, BINARY),
    ("lightgbm", {"data_sample_strategy": "goss", "top_rate": 0.3}, BINARY),
    ("lightgbm", {"objective": "mae"}, REGRESSION),
    ("lightgbm", {"objective": "tweedie", "tweedie_variance_power": 1.2}, REGRESSION),
    ("xgboost", {"eta": 0.1, "lambda": 1, "min_split_loss": 0.1}, BINARY),
    ("xgboost", {"tree_method": "exact"}, BINARY),
    ("xgboost", {"objective": "huber", "huber_slope": 2.0}, REGRESSION),
    ("catboost", {"bagging_temperature": 1.0}, BINARY),
    ("catboost", {"objective": "Huber:delta=2.5"}, REGRESSION),
    ("catboost", {"grow_policy": "Lossguide", "num_leaves": 31, "min_child_samples": 5}, BINARY),
]


@pytest.mark.parametrize(("family", "params", "request_"), FINE, ids=str)
def test_fine_parameters(family: str, params: Given, request_: Request) -> None:
    assert problems(family, params, request_) == []


def test_aliases_reach_the_engine_under_their_own_names() -> None:
    plan = lightgbm.build({"eta": 0.3, "subsample": 0.5, "reg_alpha": 2.0}, BINARY)
    assert (plan.params["learning_rate"], plan.params["bagging_fraction"], plan.params["lambda_l1"]) == (0.3, 0.5, 2.0)
    assert not {"eta", "subsample", "reg_alpha"} & set(plan.params)
    assert xgboost.build({"lambda": 3.0}, BINARY).params["reg_lambda"] == 3.0
    assert catboost.build({"colsample_bylevel": 0.5}, BINARY).params["rsm"] == 0.5


def test_tuned_defaults_are_those_published() -> None:
    """pytabkit default_params.py at commit 39086ac0621918de315c234d4719411705e13ea1."""
    assert lightgbm.defaults(BINARY) == {
        "objective": "binary", "learning_rate": 0.04, "num_leaves": 50, "min_data_in_leaf": 40,
        "min_sum_hessian_in_leaf": 1e-7, "bagging_fraction": 0.75, "bagging_freq": 1, "feature_fraction": 1.0,
        "max_bin": 255,
    }  # fmt: skip
    assert xgboost.defaults(REGRESSION) == {
        "objective": "reg:squarederror", "tree_method": "hist", "max_bin": 256, "learning_rate": 0.05, "max_depth": 9,
        "min_child_weight": 2.0, "reg_lambda": 0.0, "subsample": 0.7,
    }  # fmt: skip
    assert catboost.defaults(REGRESSION)["leaf_estimation_iterations"] == 20
    for family in (lightgbm, xgboost, catboost):
        assert (family.build({}, BINARY).rounds, family.build({}, BINARY).patience) == (1000, 300)


@pytest.mark.parametrize(
    ("family", "key", "value", "native", "text"),
    [
        ("lightgbm", "alpha", 0.9, "quantile", "pinball loss at 0.9"),
        ("xgboost", "quantile_alpha", 0.9, "reg:quantileerror", "pinball loss at 0.9"),
        ("catboost", "loss_function", "Quantile:alpha=0.9", "Quantile:alpha=0.9", "pinball loss at 0.9"),
    ],
)
def test_a_quantile_in_each_library(family: str, key: str, value: JsonValue, native: str, text: str) -> None:
    plan = registry.load("families", family).build({"objective": "quantile", "quantile": 0.9}, REGRESSION)
    assert plan.params[key] == value
    assert native in (plan.params.get("objective"), plan.params.get("loss_function"))
    assert plan.loss == text
    assert "quantile" not in plan.params


def test_defaults_that_a_choice_makes_meaningless_are_left_out() -> None:
    assert "bagging_fraction" not in lightgbm.build({"data_sample_strategy": "goss"}, BINARY).params
    assert "bagging_fraction" not in lightgbm.build({"bagging_freq": 0}, BINARY).params
    assert "max_bin" not in xgboost.build({"tree_method": "exact"}, BINARY).params
    plan = catboost.build({"bagging_temperature": 0.5}, BINARY)
    assert plan.params["bootstrap_type"] == "Bayesian"
    assert "subsample" not in plan.params
    assert catboost.build({"objective": "absolute_error"}, REGRESSION).params["leaf_estimation_iterations"] == 1
    assert catboost.build({"objective": "poisson"}, REGRESSION).params["leaf_estimation_iterations"] == 10
    assert catboost.build({"objective": "huber"}, REGRESSION).params["l2_leaf_reg"] == 3.0
    assert catboost.build({"objective": "huber", "l2_leaf_reg": 9.0}, REGRESSION).params["l2_leaf_reg"] == 9.0


def test_every_lightgbm_name_is_known_to_the_library() -> None:
    known = lightgbm._native_aliases()
    ours = {*lightgbm._RULES, *lightgbm._DECIDED} - {"quantile"}
    assert ours <= set(known)
    assert all(known[name] == name for name in ours), "canonical names only"
    assert {alias: known[alias] for alias in lightgbm._ALIASES} == dict(lightgbm._ALIASES)


def test_every_catboost_name_is_known_to_the_library() -> None:
    ours = {*catboost._RULES, *catboost._DECIDED, *catboost._ALIASES} - {"quantile"}
    assert ours <= set(catboost._native_aliases())


@pytest.mark.parametrize(("family", "extra"), [("lightgbm", "boost"), ("catboost", "catboost")])
def test_a_library_that_is_needed_and_absent_is_named(family: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (family, f"{family}.basic"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ResourceMissing, match=rf"^{family} is not installed.*\[{extra}\]"):
        problems(family, {"no such": 1})


def test_every_xgboost_name_is_used_by_the_library() -> None:
    """XGBoost says which parameters it did not use; it has no list to ask."""
    import numpy as np
    import xgboost as library

    values: dict[str, JsonValue] = {
        name: {"flag": True, "whole": 1, "number": 0.5}.get(rule.kind, rule.choices[0] if rule.choices else "")
        for name, rule in xgboost._RULES.items()
    }
    given = {k: v for k, v in values.items() if v != "" and k not in ("quantile", "objective")}
    given |= {"max_bin": 16, "max_depth": 2, "nthread": 1, "verbosity": 1, "validate_parameters": True}
    objectives = {
        "reg:quantileerror": {"quantile_alpha"},
        "reg:pseudohubererror": {"huber_slope"},
        "reg:tweedie": {"tweedie_variance_power"},
        "binary:logistic": {"scale_pos_weight"},
    }
    special = {name for names in objectives.values() for name in names}
    dart = {"rate_drop", "skip_drop", "one_drop", "sample_type", "normalize_type"}
    rows = library.DMatrix(np.arange(20.0).reshape(10, 2), label=[0, 1] * 5, nthread=1)
    for objective, used in objectives.items():
        for booster in ("gbtree", "dart"):
            chosen = {
                k: v for k, v in given.items() if k not in special - used and (booster == "dart" or k not in dart)
            }
            params = {**chosen, "objective": objective, "booster": booster, "tweedie_variance_power": 1.5}
            params = {k: v for k, v in params.items() if k != "tweedie_variance_power" or k in used}
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                library.train({**params, "zzz": 1}, rows, 1)
            said = " ".join(str(w.message) for w in caught)
            assert '{ "zzz" } are not used' in said, said


@pytest.mark.parametrize("family", ["lightgbm", "xgboost", "catboost"])
def test_usual_parameters_are_checked_without_importing_the_library(family: str) -> None:
    code = (
        "import sys; from trainwright.core import registry; from trainwright.core.tasks import Task;"
        "from trainwright.families.contract import Request;"
        f"f = registry.load('families', {family!r}); r = Request(task=Task.BINARY, num_classes=2);"
        "assert f.problems({'learning_rate': 0.1, 'n_estimators': 3}, r); f.build({'learning_rate': 0.1}, r);"
        "heavy = {'numpy', 'pandas', 'sklearn', 'lightgbm', 'xgboost', 'catboost'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("family", ["lightgbm", "xgboost", "catboost", "hist_gradient_boosting"])
def test_low_learning_rates_have_more_rounds_unless_the_spec_sets_them(family: str) -> None:
    def rounds(rate: float | None, given: int | None = None) -> int:
        request = Request(task=Task.BINARY, num_classes=2, rows=1000, columns=10, rounds=given)
        params = {} if rate is None else {"learning_rate": rate}
        plan: ModelPlan = registry.load("families", family).build(params, request)
        return plan.rounds

    assert rounds(None) == rounds(0.3) == 1000
    assert rounds(0.01) == 4000
    assert rounds(0.0001) == 10_000
    assert rounds(0.01, 700) == 700


@pytest.mark.parametrize("family", ["lightgbm", "xgboost", "catboost"])
def test_known_configurations_lie_in_the_published_space(family: str) -> None:
    module = registry.load("families", family)
    for params, source in module.PORTFOLIO:
        assert source
        assert problems(family, {k: v for k, v in params.items() if v is not None}) == []
        if "AutoGluon" in source:
            for name, value in params.items():
                dimension = module.SPACE[name]
                inside = value in dimension.choices if dimension.choices else dimension.low <= value <= dimension.high
                assert inside, f"{name}: {value}"
