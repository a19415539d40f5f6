"""Naive Bayes, in four variants."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.tasks import Task
from trainwright.families import _sklearn_params as checked
from trainwright.families.contract import ParamProblem, Range, Request

ENGINES = ("sklearn",)
TASKS = frozenset({Task.BINARY, Task.MULTICLASS})
SUMMARY = "Naive Bayes: gaussian for numbers; multinomial, complement or bernoulli for counts and text"
SOURCE = (
    "Defaults: scikit-learn's (variance smoothing 1e-9; Laplace smoothing 1, Rennie et al. 2003 for the complement "
    "variant). Space: auto-sklearn's for alpha, PyCaret's for the variance smoothing."
)
FEATURES: FeatureStyle = "scaled"
SPACE: Mapping[str, Range] = {
    "variant": Range(choices=("gaussian", "bernoulli", "multinomial", "complement")),
    "var_smoothing": Range(low=1e-9, high=1.0, log=True, when={"variant": ("gaussian",)}),
    "alpha": Range(low=0.01, high=100.0, log=True, when={"variant": ("bernoulli", "multinomial", "complement")}),
}

_ESTIMATORS = {
    "gaussian": "sklearn.naive_bayes.GaussianNB",
    "multinomial": "sklearn.naive_bayes.MultinomialNB",
    "complement": "sklearn.naive_bayes.ComplementNB",
    "bernoulli": "sklearn.naive_bayes.BernoulliNB",
}
_DECIDED = {
    **checked.DECIDED,
    "priors": "class frequencies are learned; weigh rows instead",
    "class_prior": "class frequencies are learned; weigh rows instead",
}


def defaults(request: Request) -> dict[str, JsonValue]:
    """Gaussian: numbers are the common case."""
    return {"variant": "gaussian"}


def problems(params: Mapping[str, JsonValue], request: Request) -> list[ParamProblem]:
    """What scikit-learn says about them for the chosen variant."""
    found = checked.choice(params, "variant", tuple(_ESTIMATORS))
    estimator = _ESTIMATORS.get(str(params.get("variant", "gaussian")))
    if estimator is None:
        return found
    return found + checked.check(estimator, params, own=("variant",), decided=_DECIDED)


def build(params: Mapping[str, JsonValue], request: Request) -> ModelPlan:
    """A plan for the variant."""
    merged = {**defaults(request), **params}
    variant = str(merged.pop("variant"))
    if variant == "bernoulli":
        merged.setdefault("binarize", 0.5)  # features come as 0..1
    gaussian = variant == "gaussian"
    return ModelPlan(
        family="naive_bayes",
        engine="sklearn",
        estimator=_ESTIMATORS[variant],
        params=merged,
        rounds=1,
        patience=0,
        features="scaled" if gaussian else "nonnegative",
        loss="joint likelihood",
        unit="fit",
        accepts_sparse=not gaussian,
    )
