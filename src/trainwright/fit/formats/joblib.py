"""joblib: the scikit-learn estimator as a pickle, for programs that have nothing else. Loading a pickle runs code.

It takes what the features give, which lie beside it. The native model (skops) holds the same without code.
"""

from pathlib import Path

from trainwright.core import registry
from trainwright.core.errors import CannotExport
from trainwright.engines.contract import GivesEstimator
from trainwright.fit.formats.contract import FLOAT, SAME_ESTIMATOR, Delivered, Written, matrix_input

SUMMARY = (
    "scikit-learn's estimator in a joblib file, for programs with scikit-learn alone; skops in native is its safe twin"
)
SAFE = False
EXTRA = ""

_FILE = "model.joblib"
_NOTE = "the estimator takes the output of the features, which lie beside it"


def engines() -> tuple[str, ...]:
    """Those whose models are estimators."""
    return tuple(
        name for name in registry.names("engines") if isinstance(registry.load("engines", name), GivesEstimator)
    )


def write(model: Delivered, folder: Path) -> Written:
    """Write ``model.joblib``: a list with ``estimator`` and ``form`` of each member.

    Raises:
        CannotExport: the engine's models are no estimators.
    """
    engine = registry.load("engines", model.engine)
    if not isinstance(engine, GivesEstimator):
        raise CannotExport(f"models of the engine {model.engine} are no scikit-learn estimators")
    import joblib

    members = []
    for one in model.members:
        estimator, form = engine.estimator(one.model)
        members.append({"estimator": estimator, "form": dict(form)})
    joblib.dump(members, folder / _FILE)
    return Written(
        file=_FILE,
        inputs=tuple(matrix_input(number, one.rows) for number, one in enumerate(model.members)),
        features="beside",
        runtime=("joblib", "sklearn"),
        tolerance=SAME_ESTIMATOR if all(one.rows.dtype == "float64" for one in model.members) else FLOAT,
        notes=(_NOTE,),
    )
