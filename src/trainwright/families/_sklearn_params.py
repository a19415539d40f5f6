"""Parameters of scikit-learn estimators, checked against the estimator itself: names, types and limits."""

import difflib
import importlib
import inspect
import math
from collections.abc import Collection, Mapping
from types import MappingProxyType

from trainwright.core.jsonable import JsonValue
from trainwright.families.contract import ParamProblem, Request

DECIDED: Mapping[str, str] = MappingProxyType(
    {
        "random_state": "Trainwright derives it from the spec's seed; set `seed`",
        "n_jobs": "Trainwright sets it; set training.threads",
        "warm_start": "Trainwright decides how training goes on; remove it",
        "verbose": "progress is in the training log; remove it",
        "early_stopping": "early stopping is on the validation rows; set training.early_stopping",
        "validation_fraction": "validation rows come from the data section; remove it",
        "n_iter_no_change": "set training.early_stopping.patience",
        "scoring": "set training.metric",
        "oob_score": "validation rows measure the model; remove it",
        "class_weight": "set training.class_weight, or data.columns.weight",
        "probability": "probabilities are calibrated on cross-validated decisions; remove it",
        "categorical_features": "they follow from the data; set data.columns.categorical",
        "shuffle": "the order of rows is a function of (seed, epoch); remove it",
        "copy_X": "training rows are never overwritten; remove it",
        "copy_X_train": "training rows are never overwritten; remove it",
    }
)
"""Parameters that Trainwright sets, and what to set instead."""


def check(
    estimator: str,
    params: Mapping[str, JsonValue],
    *,
    own: Collection[str] = (),
    decided: Mapping[str, str] = DECIDED,
) -> list[ParamProblem]:
    """All that is wrong with parameters of an estimator.

    ``own`` are the family's own parameters, checked by the family. ``decided`` maps names that a user cannot set to
    the reason and the fix.
    """
    names = parameter_names(estimator)
    open_names = sorted({*names, *own} - set(decided))
    found: list[ParamProblem] = []
    for name, value in params.items():
        if name in own:
            continue
        if name in decided and name in inspect.signature(estimator_class(estimator)).parameters:
            found.append(ParamProblem(name=name, what="is decided by Trainwright", fix=decided[name]))
        elif name not in names:
            found.append(unknown(name, open_names, estimator.rpartition(".")[2]))
        elif problem := value_problem(estimator, name, value):
            found.append(problem)
    return found


def unknown(name: str, known: Collection[str], where: str) -> ParamProblem:
    """A name nobody knows, and the nearest one."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    fix = f"did you mean {close[0]!r}? " if close else ""
    return ParamProblem(name=name, what=f"is no parameter of {where}", fix=f"{fix}known: {', '.join(sorted(known))}")


def choice(params: Mapping[str, JsonValue], name: str, accepted: Collection[str]) -> list[ParamProblem]:
    """Whether a parameter, where given, is one of the accepted words."""
    value = params.get(name)
    if name not in params or (isinstance(value, str) and value in accepted):
        return []
    close = difflib.get_close_matches(str(value), sorted(accepted), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return [
        ParamProblem(
            name=name,
            what=f"must be one of {', '.join(sorted(accepted))}, got {value!r}",
            fix=f"give one of them{hint}",
        )
    ]


def number(
    params: Mapping[str, JsonValue], name: str, low: float, high: float, *, open_low: bool = False
) -> list[ParamProblem]:
    """Whether a parameter, where given, is a number within limits."""
    value = params.get(name)
    if name not in params:
        return []
    if isinstance(value, int | float) and not isinstance(value, bool):
        inside = low < value if open_low else low <= value
        if inside and value <= high:
            return []
    bound = f"above {low:g}" if open_low else f"at least {low:g}"
    upper = "" if math.isinf(high) else f" and at most {high:g}"
    return [ParamProblem(name=name, what=f"must be a number {bound}{upper}, got {value!r}", fix="change the value")]


def rounds_twice(params: Mapping[str, JsonValue], name: str, request: Request) -> list[ParamProblem]:
    """The number of rounds given as a parameter and, differently, as training.rounds."""
    value = params.get(name)
    if name not in params or request.rounds is None or request.rounds == value:
        return []
    what = f"says {value!r} rounds, training.rounds says {request.rounds}"
    return [ParamProblem(name=name, what=what, fix="keep one of them")]


def rounds(params: Mapping[str, JsonValue], name: str, request: Request, default: int) -> int:
    """The ceiling of rounds: training.rounds, else the parameter, else the default."""
    if request.rounds is not None:
        return request.rounds
    value = params.get(name, default)
    return value if isinstance(value, int) else default


def parameter_names(estimator: str) -> tuple[str, ...]:
    """The estimator's parameters, those being phased out left out."""
    signature = inspect.signature(estimator_class(estimator))
    return tuple(n for n, p in signature.parameters.items() if p.default != "deprecated")


def value_problem(estimator: str, name: str, value: JsonValue) -> ParamProblem | None:
    """What scikit-learn's own constraints say about one value."""
    from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

    cls = estimator_class(estimator)
    constraints = getattr(cls, "_parameter_constraints", {})
    if name not in constraints:
        return None
    if isinstance(value, bool) and "boolean" not in constraints[name] and "verbose" not in constraints[name]:
        return ParamProblem(
            name=name, what=f"cannot be {value!r}: it is no switch", fix=f"the default is {_default(cls, name)}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        return ParamProblem(name=name, what=f"must be finite, got {value!r}", fix="give a finite number")
    try:
        validate_parameter_constraints({name: constraints[name]}, {name: value}, caller_name=cls.__name__)
    except InvalidParameterError as problem:
        text = str(problem).replace(f"The {name!r} parameter of {cls.__name__} ", "")
        return ParamProblem(name=name, what=text.rstrip("."), fix=f"the default is {_default(cls, name)}")
    return None


def estimator_class(path: str) -> type:
    """The class of an import path that is known to be good."""
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, type)
    return found


def accepts_weights(estimator: str) -> bool:
    """Whether its fit takes row weights."""
    from sklearn.utils.validation import has_fit_parameter

    cls = estimator_class(estimator)
    return bool(has_fit_parameter(cls, "sample_weight"))


def accepts_sparse(estimator: str, params: Mapping[str, JsonValue]) -> bool:
    """Whether it takes sparse rows with these parameters."""
    from sklearn.utils import get_tags

    return bool(get_tags(estimator_class(estimator)(**params)).input_tags.sparse)


def _default(cls: type, name: str) -> str:
    return repr(inspect.signature(cls).parameters[name].default)
