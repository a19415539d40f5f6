"""What a search is asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trainwright.core.jsonable import JsonValue
from trainwright.core.metrics import Metric
from trainwright.core.seeds import Seeds
from trainwright.search.space import Space

Method: TypeAlias = Literal["grid", "random", "bayesian"]
Sampler: TypeAlias = Literal["tpe", "gp"]
Pruner: TypeAlias = Literal["none", "outlook", "median", "asha", "hyperband", "wilcoxon"]

TRIALS = 50  # where the spec sets neither trials nor time (assumption: a coffee break on a small table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A configuration that is tried first, and where it comes from."""

    params: Mapping[str, JsonValue]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A search: where, how, how long, and by what it is judged.

    ``fixed`` are the spec's own parameters. ``trials`` None: no limit. ``seconds`` None: none but the run's own.
    ``rounds`` is the ceiling of a trial; ``folds`` 0 scores by validation rows. ``shares`` of the training rows that
    trials see, rising to 1: several of them mean cheap trials first.
    """

    space: Space
    fixed: Mapping[str, JsonValue]
    known: tuple[Known, ...]
    method: Method
    sampler: Sampler
    pruner: Pruner
    trials: int | None
    seconds: float | None
    primary: Metric
    watch: Metric
    rounds: int
    seeds: Seeds
    folds: int = 0
    compared_seeds: int = 3
    parallel: int = 1
    deterministic: bool = True
    shares: tuple[float, ...] = (1.0,)

    def cost(self, value: float) -> float:
        """A value of the primary metric as something to make small."""
        return -value if self.primary.higher_is_better else value

    def watch_cost(self, value: float) -> float:
        """A value of the watched metric as something to make small."""
        return -value if self.watch.higher_is_better else value
