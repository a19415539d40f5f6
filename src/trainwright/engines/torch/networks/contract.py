"""What a network file provides, and what it is told about its inputs.

A network is one module in this folder, named by ``ModelPlan.estimator``, with one function::

    def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module

``params`` is complete (the family has merged its defaults). The module's ``forward`` takes a batch of rows, shape
``(B, *inputs.shape)`` in the dtype named by `Inputs.kind`, and gives raw scores: ``(B, outputs)``, or
``(B, members, outputs)`` for networks that hold several predictors (each is trained on its own loss; probabilities, or
values, are averaged). ``outputs`` is the number of classes (1 for binary: one logit), 1 for regression, the vocabulary
for language models, whose scores are ``(B, L, vocabulary)``.

A module draws its initial weights from torch's global generator, which the engine has seeded. It holds no randomness
of its own but dropout, and keeps everything it learnt in parameters and buffers, so that ``state_dict`` is the model.

Optional methods of the module:

- ``fit_inputs(rows: Tensor) -> None``: called once, before training, with all training rows (or a fixed sample of
  them, at most 100,000), to set buffers such as means and quantiles.
- ``start_from(files: Sequence[Path]) -> Sequence[str]``: called once, before training, where the plan names files of
  weights to start from; they have the hashes that the plan states. Gives the names of parameters that are not in them
  and keep their fresh weights. Raises ArtifactRefused where the files are another network's.
- ``lr_factors() -> dict[str, float]``: parameter name -> factor on the learning rate (default 1).
- ``undecayed() -> set[str]``: names of further parameters without weight decay (norms, biases and everything with
  fewer than two dimensions never decay).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from trainwright.core.jsonable import JsonValue

if TYPE_CHECKING:
    from torch import nn

InputKind: TypeAlias = Literal["table", "image", "tokens", "language", "array"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What one row is.

    - ``table``: float32 of shape (columns,); NaN marks a missing cell; ``categorical`` columns hold codes
      0..size-1 (NaN: missing or unseen), ``category_sizes`` their numbers of levels.
    - ``image``: uint8 of shape (channels, height, width), 0..255; the network scales (augmentation happened before,
      on the same tensors).
    - ``tokens``: int64 of shape (length,), padded on the right with ``pad``; ids are below ``vocabulary``.
    - ``language``: int64 of shape (length + 1,): position t predicts token t + 1. The network is given ids of at
      least 0; a negative id in the table is context, an input (its absolute value) that is itself not predicted.
    - ``array``: float32 of any shape.
    """

    kind: InputKind
    shape: tuple[int, ...]
    categorical: tuple[int, ...] = ()
    category_sizes: tuple[int, ...] = ()
    vocabulary: int = 0
    pad: int = 0


class Network(Protocol):
    """The type of a network module."""

    def build(self, params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> "nn.Module":
        """The module, with fresh weights."""
        ...
