"""A model in MLflow's form: what ``mlflow.pyfunc.load_model`` calls. It predicts as ``trainwright predict`` does."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright import pipeline
from trainwright.fit.artifact import load_scorer
from trainwright.run.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd


class Predictor:
    """A delivered model behind MLflow's ``predict``."""

    def __init__(self, folder: Path, *, trust_code: bool) -> None:
        load_scorer(RunFolder(folder).model, trust_code=trust_code)  # a damaged one is refused now
        self._folder, self._trust_code = folder, trust_code

    def predict(self, frame: "pd.DataFrame", params: Mapping[str, object] | None = None) -> "pd.DataFrame":
        """Column ``prediction``, and one ``proba_<class>`` a class; a row for each row of ``frame``."""
        return pipeline.predict(self._folder, frame, trust_code=self._trust_code).frame


def _load_pyfunc(path: str, model_config: Mapping[str, object] | None = None) -> Predictor:
    """``model_config={"trust_code": True}`` allows the Python code of a model of the user's own.

    Raises:
        ArtifactRefused: the model is damaged, or is Python code that was not allowed.
    """
    return Predictor(Path(path), trust_code=bool((model_config or {}).get("trust_code")))
