"""The course of a training: what ``auto`` has decided of the rate, what repairs and the plateau made of it since."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from trainwright.core.jsonable import JsonValue
from trainwright.engines.repairs import Repair
from trainwright.engines.torch.recipe import PRECISIONS, Precision, Recipe, Schedule
from trainwright.engines.torch.schedules import Plateau, factor


@dataclass(slots=True)
class Course:
    """``lr`` is None until it is measured; ``repaired`` is the product of all factors that repairs put on it."""

    lr: float | None
    clip_norm: float | None
    repaired: float = 1.0
    plateau: Plateau = field(default_factory=Plateau)
    precision: Precision = "auto"

    @classmethod
    def of(cls, recipe: Recipe) -> "Course":
        """As the recipe has it."""
        return cls(
            None if recipe.optimizer.lr == "auto" else recipe.optimizer.lr, recipe.clip_norm, precision=recipe.precision
        )

    def rate(self, schedule: Schedule, done: int, total: int) -> float:
        """The learning rate of the step before which ``done`` of ``total`` were taken."""
        assert self.lr is not None
        return self.lr * self.repaired * factor(schedule, done, total) * self.plateau.factor(schedule)

    def change(self, repair: Repair) -> None:
        """``precision``: what matrix products are computed in. ``learning_rate`` multiplies the rate by ``factor``, or
        has it measured anew (``measure``). ``clip_norm`` sets the longest gradient (``norm``).

        Raises:
            ValueError: another repair, or values that are none.
        """
        if repair.action == "precision":
            if (precision := repair.values.get("precision")) not in PRECISIONS:
                raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, got {precision!r}")
            self.precision = cast("Precision", precision)
            return
        if repair.action == "learning_rate" and repair.values.get("measure") is True:
            self.lr, self.repaired = None, 1.0
            return
        value = repair.values.get("factor" if repair.action == "learning_rate" else "norm")
        if repair.action not in ("learning_rate", "clip_norm") or not isinstance(value, int | float) or value <= 0:
            raise ValueError(f"torch has no repair {repair.action!r} with {dict(repair.values)}")
        if repair.action == "learning_rate":
            self.repaired *= float(value)
        else:
            self.clip_norm = float(value)

    def to_json(self) -> dict[str, JsonValue]:
        """What `take_up` reads back."""
        return {
            "learning_rate": self.lr,
            "repaired": self.repaired,
            "clip_norm": self.clip_norm,
            "plateau": self.plateau.to_json(),
            "precision": self.precision,
        }

    def take_up(self, document: Mapping[str, Any]) -> None:
        """Go on from a saved course."""
        rate, clip, plateau = document["learning_rate"], document["clip_norm"], document["plateau"]
        best = float("inf") if plateau["best"] is None else float(plateau["best"])
        self.lr = None if rate is None else float(rate)
        self.clip_norm = None if clip is None else float(clip)
        self.precision = document.get("precision", self.precision)
        self.repaired = float(document["repaired"])
        self.plateau = Plateau(best, int(plateau["waited"]), int(plateau["cuts"]))


def sizes(repair: Repair, *names: str) -> list[int]:
    """The numbers of a repair.

    Raises:
        ValueError: they are none.
    """
    sizes = [repair.values.get(name) for name in names]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(f"{repair.action} needs {' and '.join(names)} above 0, got {dict(repair.values)}")
    return [int(str(size)) for size in sizes]
