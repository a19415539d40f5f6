"""What a family asks an engine to train: plain values, so that families and engines never import each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from trainwright.core.jsonable import JsonValue

FeatureStyle: TypeAlias = Literal["native", "ordinal", "scaled", "nonnegative", "image", "tokens", "language", "array"]
"""How table columns become model inputs.

``native``: numbers as they are (NaN kept), categories as integer codes (NaN when missing or unseen) with their column
indexes listed, for boosters that split on categories themselves. ``ordinal``: the same without NaN, for forests.
``scaled``: imputed, standardised, one-hot, for linear models, distances and networks. ``nonnegative``: imputed,
min-max scaled to [0, 1], one-hot, for multinomial-like naive Bayes. ``image``: uint8 of shape (rows, channels, height,
width). ``tokens``: int32 of shape (rows, length), padded on the right with 0. ``language``: int32 of shape (rows,
length + 1), each row a stretch of the text in which position t predicts token t + 1, padded with 0. An id below zero is
context: its absolute value is an input, and it is not predicted (no loss, no share of the prediction). ``array``:
float32 of any shape below the rows.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """One model, ready for its engine.

    ``params`` are the engine's own parameter names, every choice explicit, the seed and thread count excepted (the
    engine sets those from the job). ``rounds`` is the ceiling of boosting rounds, trees or epochs; 1 for a model
    fitted in one go. ``patience`` is the family's default for early stopping, in the same unit; 0 means it has none.
    ``options`` holds what is no parameter of the model: ``recipe`` (how a network is trained, see
    `trainwright.engines.torch.recipe`), ``features`` (what its feature style needs to know), ``weights`` (path ->
    sha256 of files that a network starts from), an engine's own switches.
    ``holds_code`` says that the parameters carry a user's Python code: the model can only be loaded by running it.
    """

    family: str
    engine: str
    estimator: str
    params: Mapping[str, JsonValue]
    rounds: int
    patience: int
    features: FeatureStyle
    loss: str
    unit: Literal["round", "tree", "epoch", "fit"]
    accepts_sparse: bool = True
    accepts_weights: bool = True
    notes: tuple[str, ...] = ()
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    holds_code: bool = False
