"""Parts of dates in an ONNX graph, from int64 microseconds since 1970.

Year, month and day by Howard Hinnant's ``civil_from_days`` (howardhinnant.github.io/date_algorithms.html), which counts
years from March; every division is a floor, by a positive constant.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainwright.data.onnx_graph import Graph

_DAY = 86_400_000_000
_HOUR = 3_600_000_000


def add_moment_parts(graph: "Graph", moments: str, wanted: Collection[str]) -> dict[str, str]:
    """The wanted parts as float64, NaN where missing, as `trainwright.data.inputs.moment_parts` gives them."""
    import numpy as np

    whole = _Whole(graph)
    missing = graph.add("Equal", moments, graph.constant(np.array(np.iinfo("int64").min)))
    known = graph.add("Where", missing, graph.constant(np.array(0)), moments)
    days = whole.floor(known, _DAY)
    parts = {
        "weekday": whole.mod(whole.plus(days, 3), 7),  # 1970-01-01 was a Thursday, and Monday is 0
        "hour": whole.floor(whole.mod(known, _DAY), _HOUR),
    }
    parts |= _calendar(whole, days)
    wide = {name: graph.cast(value, np.float64) for name, value in parts.items() if name in wanted}
    if "days" in wanted:
        seconds = graph.add("Div", graph.cast(known, np.float64), graph.constant(np.array(1e6)))
        wide["days"] = graph.add("Div", seconds, graph.constant(np.array(86400.0)))
    gap = graph.constant(np.array(np.nan))
    return {name: graph.add("Where", missing, gap, value) for name, value in wide.items()}


def _calendar(whole: "_Whole", days: str) -> dict[str, str]:
    shifted = whole.plus(days, 719_468)  # days since 0000-03-01
    era = whole.floor(shifted, 146_097)
    in_era = whole.mod(shifted, 146_097)
    leap = whole.difference(
        whole.total(in_era, whole.floor(in_era, 36_524)),
        whole.total(whole.floor(in_era, 1_460), whole.floor(in_era, 146_096)),
    )
    year_of_era = whole.floor(leap, 365)
    before = whole.difference(
        whole.total(whole.times(year_of_era, 365), whole.floor(year_of_era, 4)), whole.floor(year_of_era, 100)
    )
    in_year = whole.difference(in_era, before)  # from March 1
    march = whole.floor(whole.plus(whole.times(in_year, 5), 2), 153)  # months since March
    day = whole.plus(whole.difference(in_year, whole.floor(whole.plus(whole.times(march, 153), 2), 5)), 1)
    month = whole.plus(whole.mod(whole.plus(march, 2), 12), 1)
    year = whole.total(year_of_era, whole.times(era, 400))
    next_year = whole.floor(march, 10)  # January and February belong to the year that follows
    return {"year": whole.total(year, next_year), "month": month, "day": day}


class _Whole:
    """Arithmetic of whole numbers, with constants on the right."""

    def __init__(self, graph: "Graph") -> None:
        self._graph = graph

    def floor(self, value: str, by: int) -> str:
        """The floor of a quotient: ONNX's own division cuts towards zero."""
        rest = self.mod(value, by)
        return self._graph.add("Div", self.difference(value, rest), self._constant(by))

    def mod(self, value: str, by: int) -> str:
        """What remains, with the sign of the divisor."""
        return self._graph.add("Mod", value, self._constant(by), attributes={"fmod": 0})

    def plus(self, value: str, other: int) -> str:
        """A sum with a constant."""
        return self._graph.add("Add", value, self._constant(other))

    def times(self, value: str, other: int) -> str:
        """A product with a constant."""
        return self._graph.add("Mul", value, self._constant(other))

    def total(self, value: str, other: str) -> str:
        """A sum."""
        return self._graph.add("Add", value, other)

    def difference(self, value: str, other: str) -> str:
        """A difference."""
        return self._graph.add("Sub", value, other)

    def _constant(self, value: int) -> str:
        import numpy as np

        return self._graph.constant(np.array(value, dtype="int64"))
