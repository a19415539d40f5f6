"""What a training printed: lines with names and numbers in whatever form.

``loss: 1.23``, ``Epoch 3/10 loss=0.5 val_loss=0.6``, ``step 100 | loss 3.2 | lr 1e-4``, Keras' and tqdm's bars,
``[10]	train-logloss:0.45``, ``{'loss': 1.2, 'epoch': 0.1}``, nanoGPT's ``step 500: train loss 1.2, val loss 1.4``.

A line counts when a known name of a loss or a metric (`trainwright.doctor.logs.names`) has a number on it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from trainwright.core.errors import ArtifactRefused
from trainwright.doctor.logs.contract import Head, Points, Reading, text_lines
from trainwright.doctor.logs.names import METRICS, Name, is_part, meaning
from trainwright.doctor.logs.numbers import number

NAME = "printed lines"

_LONGEST = 20_000  # characters of a line that are looked at: longer ones are no lines of a training
_FEWEST = 2  # lines that make a text a log
_ESCAPE = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_NUMBER = r"[+-]?(?:\d[\d_,]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|nan|inf(?:inity)?)%?(?![\w.])"
_TOKEN = re.compile(
    rf"(?P<number>(?<![\w.])(?:{_NUMBER}))"
    r"|(?P<word>[A-Za-z_][\w./'@-]{0,80})"
    r"|(?P<mark>[:=/|,;(){}\[\]'\"]|\s+|.)",
    re.IGNORECASE,
)
_ROUND = re.compile(r"\s*\[\s*(\d{1,12})\s*\]")  # XGBoost, LightGBM
_CATBOOST = re.compile(r"\s*(\d{1,12}):\s+learn:")


def recognises(head: Head) -> bool:
    """Text with a known number in its beginning."""
    if not head.is_text:
        return False
    state = _State()
    return any(state.numbers(line) for line in _parts(head.text.splitlines()))


def in_folder(folder: Path) -> Path | None:
    """The only file of this kind."""
    found = sorted({*folder.glob("*.log"), *folder.glob("*.out"), *folder.glob("*.txt")})
    return found[0] if len(found) == 1 and found[0].is_file() else None


def read(path: Path) -> Reading:
    """All known numbers of all lines.

    Raises:
        ArtifactRefused: there is one such line at most, which any text may have.
    """
    points, state = Points(), _State()
    for line in _parts(line or "" for line in text_lines(path)):
        found = state.numbers(line)
        if found:
            points.next_row()
            for name, value in found.items():
                points.add(name, value, step=state.step, epoch=state.epoch)
    if max((len(column) for column in points.columns.values()), default=0) < _FEWEST:
        raise ArtifactRefused(
            f"{path}: a training log is required, and this is text in which no loss is told at least {_FEWEST} times. "
            "Such lines read `step 100 loss 1.23 val_loss 1.45`."
        )
    return Reading(points=points)


def _parts(lines: "Iterator[str] | list[str]") -> Iterator[str]:
    """Lines as they look in the end: a bar that was drawn again and again counts once."""
    for line in lines:
        drawn = re.split(r"[\r\b]+", line.rstrip("\r\b"))[-1] if "\r" in line or "\b" in line else line
        yield _ESCAPE.sub("", drawn[-_LONGEST:])


@dataclass
class _State:
    """Where in the training the lines are."""

    step: float | None = None
    epoch: float | None = None
    known: dict[str, Name] = field(default_factory=dict)

    def numbers(self, line: str) -> dict[str, float]:
        """The known numbers on a line by name; positions on it are remembered."""
        found: dict[str, float] = {}
        step = epoch = None
        catboost = _CATBOOST.match(line)
        for name, value in _pairs(line):
            if catboost and name in ("learn", "test"):
                name += " loss"
            means = self._meaning(name)
            if means.kind == "step":
                step = value if step is None else step
            elif means.kind == "epoch":
                epoch = value if epoch is None else epoch
            elif name not in found and (means.kind in ("loss", "other") or means.metric in METRICS):
                found[name] = value
        if step is None and (opening := _ROUND.match(line) or catboost):
            step = float(opening[1])
        if epoch is not None:
            self.epoch = epoch
        if step is not None:
            self.step = step
        return found if any(self._meaning(n).kind in ("loss", "metric") for n in found) else {}

    def _meaning(self, name: str) -> Name:
        if name not in self.known:
            if len(self.known) > 10_000:
                self.known.clear()
            self.known[name] = meaning(name)
        return self.known[name]


def _pairs(line: str) -> Iterator[tuple[str, float]]:
    """Names with the number behind each: ``name: 1``, ``name=1``, ``name 1``; of ``3/10`` the first."""
    words: list[str] = []
    after_number = False  # behind a number only a new name opens a pair
    for match in _TOKEN.finditer(line):
        text = match[0]
        if match["word"]:
            words = [*words[-1:], text] if not after_number else [text]
            after_number = False
        elif match["number"]:
            if words and not after_number and (value := number(text.replace(",", ""))) is not None:
                yield _best(words), value
            after_number = True
        elif text in "|,;)}]":
            words, after_number = [], False
        elif text in "({[" or (text.isspace() or text in ":='\"#"):
            pass
        elif text not in "/":
            words = []


def _best(words: list[str]) -> str:
    """The name of two words (``train loss``, ``grad norm``) where they make a known one together, else the last."""
    if len(words) == 2:
        both = " ".join(words)
        first, second = (meaning(w) for w in words)
        if is_part(words[0]) and second.kind in ("loss", "metric", "unknown") and not second.part:
            return both
        if (
            second.kind in ("unknown", "silent")
            and first.kind != "loss"
            and meaning(both).kind in ("loss", "metric", "other")
        ):
            return both
    return words[-1]
