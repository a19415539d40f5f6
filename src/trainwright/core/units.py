"""Numbers that never travel without their unit: durations and budgets."""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time, in seconds. Written as ``90s``, ``10m``, ``1h30m``, ``2 hours`` or plain seconds."""

    seconds: float

    def __post_init__(self) -> None:
        """Refuse what is no length of time.

        Raises:
            ValueError: the value is not finite or not above zero.
        """
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"a duration must be above zero and finite, got {self.seconds:g} seconds")

    @classmethod
    def parse(cls, text: str | float) -> Self:
        """Read a duration.

        Raises:
            ValueError: the text is no duration, or is not above zero.
        """
        if isinstance(text, bool):
            raise ValueError(f"{text} is not a duration; write for example 10m or 1h30m")  # noqa: TRY004 - one error kind for parsers
        if isinstance(text, int | float):
            return cls(float(text))
        stripped = text.strip()
        if re.fullmatch(r"-\s*\d.*", stripped):
            raise ValueError(f"a duration must be above zero, got {text!r}")
        if re.fullmatch(r"\d+(\.\d+)?", stripped):
            return cls(float(stripped))
        parts = _PART.findall(stripped)
        if not parts or _PART.sub("", stripped).strip():
            raise ValueError(f"{text!r} is not a duration; write for example 90s, 10m, 1h30m or 2 hours")
        return cls(sum(float(number) * _SECONDS[_unit(name)] for number, name in parts))

    def __str__(self) -> str:
        """The shortest form that reads back the same: ``1h30m``, ``90s`` is ``1m30s``."""
        if self.seconds < 1 or self.seconds != int(self.seconds):
            return f"{Decimal(repr(float(self.seconds))):f}s"
        rest, out = int(self.seconds), ""
        for name, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
            count, rest = divmod(rest, size)
            out += f"{count}{name}" if count else ""
        return out


def _unit(name: str) -> str:
    lowered = name.lower()
    return "ms" if lowered == "ms" else lowered[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much a search may spend: a number of trials, a time, or both (whichever ends first)."""

    trials: int | None = None
    time: Duration | None = None

    @classmethod
    def parse(cls, text: str | int) -> Self:
        """Read ``50 trials``, ``1h``, ``50 trials, 1h`` or a plain number of trials.

        Raises:
            ValueError: a part is neither a number of trials nor a duration, or stands twice.
        """
        if isinstance(text, bool):
            raise ValueError(f"{text} is not a budget; write for example '50 trials, 1h'")  # noqa: TRY004 - as in Duration
        if isinstance(text, int):
            return cls(trials=_positive(text))
        trials: int | None = None
        time: Duration | None = None
        for part in re.split(r"\s*(?:,|;|\bor\b|\band\b)\s*", text.strip()):
            counted = re.fullmatch(r"(\d+)\s*(?:trials?)?", part, re.IGNORECASE)
            if counted and trials is None:
                trials = _positive(int(counted[1]))
            elif not counted and time is None:
                time = Duration.parse(part)
            else:
                raise ValueError(f"{text!r} names the same limit twice; write for example '50 trials, 1h'")
        return cls(trials=trials, time=time)


def _positive(trials: int) -> int:
    if trials < 1:
        raise ValueError(f"a budget needs at least one trial, got {trials}")
    return trials
