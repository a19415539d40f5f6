"""The plan of an n-gram model; `ngram` and `dummy` share it."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import FeatureStyle, ModelPlan

FEATURES: FeatureStyle = "language"


def ngram_plan(family: str, order: int, features: Mapping[str, JsonValue]) -> ModelPlan:
    """Counts of n-grams up to an order."""
    return ModelPlan(
        family=family,
        engine="ngram",
        estimator="ngram",
        params={"order": order},
        rounds=1,
        patience=0,
        features=FEATURES,
        loss="cross entropy of the next token",
        unit="fit",
        accepts_sparse=False,
        accepts_weights=False,
        options={"features": dict(features)},
    )
