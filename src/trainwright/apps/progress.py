"""A run as it happens: single lines in a pipe, one live line under the finished stages on a terminal."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from trainwright.apps import words
from trainwright.apps.screen import Screen, Span
from trainwright.core.events import Evaluated, Event, Finished, Found, Repaired, Saved, Started, Trained, Trial
from trainwright.core.findings import Severity
from trainwright.core.jsonable import JsonValue

_PLAIN_EVERY_S = 5.0  # assumption: a log reader wants a sign of life now and then, not every round
_REASONS = {"rounds": "all rounds", "early_stopping": "early stopping", "time_budget": "time budget"}
_SHOWN_FACTS = ("family", "rows", "features", "rounds_limit", "threads")


@dataclass
class _Stage:
    """The stage that goes on now: what its live line is made of."""

    name: str
    since_s: float
    limit: JsonValue = None
    watch: str = ""
    unit: str = "round"
    value: float | None = None
    best: float | None = None
    best_at: int = 0
    told_s: float = field(default=0.0)

    def line(self, step: int, now_s: float) -> str:
        """``fit: round 140 of 2,000, val log_loss 0.3120 (best 0.3101 at 120), 1.20 s``."""
        of = f" of {words.number(self.limit)}" if self.limit else ""
        parts = [f"{self.unit} {step:,}{of}"] if step else []
        if self.value is not None:
            best = f" (best {words.number(self.best)} at {self.best_at:,})" if self.best is not None else ""
            parts.append(f"val {self.watch} {words.number(self.value)}{best}")
        return f"{self.name}: " + ", ".join([*parts, words.duration(max(0.0, now_s - self.since_s))])


class Progress:
    """A listener that tells a run's events to a screen; ``live`` replaces the line of the stage that goes on."""

    def __init__(self, screen: Screen, live: Callable[[str], None] | None = None) -> None:
        self._screen = screen
        self._live = live
        self._stage: _Stage | None = None

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        match event.body:
            case Started(stage=name, facts=known):
                self._started(event, name, known)
            case Trained(unit=unit):
                if self._stage:
                    self._stage.unit = unit
            case Evaluated() as seen:
                self._evaluated(event, seen)
            case Found(finding=finding):
                if finding.severity is not Severity.INFO:
                    self._say(
                        event, ("! ", "yellow"), f"{finding.where}: {finding.what}", (f"  [{finding.code}]", "dim")
                    )
            case Repaired(symptom=symptom, action=action):
                self._say(event, ("  ↻ ", "yellow"), f"{symptom}: {action}")
            case Saved(path=path, reason=reason):
                if reason not in ("best", "interval"):
                    self._say(event, ("  ↓ ", "dim"), f"saved {path} ({reason})")
            case Trial() as trial:
                self._tried(event, trial)
            case Finished(stage=name, reason=reason, facts=known):
                self._finished(event, name, reason, known)

    def _started(self, event: Event, name: str, known: Mapping[str, JsonValue]) -> None:
        self._stage = _Stage(
            name=name,
            since_s=event.time_s,
            limit=known.get("rounds_limit"),
            watch=str(known.get("watch", "")),
            told_s=event.time_s,
        )
        about = words.facts({k: known[k] for k in _SHOWN_FACTS if known.get(k) not in (None, 1)})
        if self._live is None:
            self._say(event, ("▸ ", "cyan"), name, (f"  {about}" if about else "", "dim"))
        else:
            self._live(f"{name}  {about}")

    def _evaluated(self, event: Event, seen: Evaluated) -> None:
        stage = self._stage
        values = seen.metrics.get("val", {})
        if stage is None or not values:
            return
        stage.watch = stage.watch or next(iter(values))
        stage.value = values.get(stage.watch)
        if seen.best:
            stage.best, stage.best_at = stage.value, event.step
        if self._live is not None:
            self._live(stage.line(event.step, event.time_s))
        elif event.time_s - stage.told_s >= _PLAIN_EVERY_S:
            stage.told_s = event.time_s
            self._say(event, "  ", stage.line(event.step, event.time_s))

    def _tried(self, event: Event, trial: Trial) -> None:
        """``trial 7 of 50: roc_auc 0.9120 (best 0.9150, trial 3), 1.20 s``; in a pipe only the better ones and some."""
        stage = self._stage
        of = f" of {trial.of}" if trial.of is not None else ""
        value = f"{trial.metric} {words.number(trial.value)}" if trial.value is not None else trial.state
        best = f" (best {words.number(trial.best)}, trial {trial.best_number})" if trial.best is not None else ""
        line = f"trial {trial.number}{of}: {value}{best}, {words.duration(trial.seconds)}"
        if self._live is not None:
            self._live(line)
        elif stage is None or trial.best_number == trial.number or event.time_s - stage.told_s >= _PLAIN_EVERY_S:
            self._say(event, "  ", line)
            if stage is not None:
                stage.told_s = event.time_s

    def _finished(self, event: Event, name: str, reason: str, known: Mapping[str, JsonValue]) -> None:
        stage, self._stage = self._stage, None
        told = []
        if stage and stage.name == name:
            told.append(words.duration(event.time_s - stage.since_s))
            if isinstance(rounds := known.get("rounds"), int) and rounds > 1:
                told.append(f"{words.count(rounds, stage.unit)}, best at {words.number(known.get('selected'))}")
                told.append(_REASONS.get(reason, reason))
            if stage.best is not None:
                told.append(f"val {stage.watch} {words.number(stage.best)}")
        self._say(event, ("✓ ", "green"), (name, "bold"), ("  " + "; ".join(told) if told else "", "dim"))
        if self._live is not None:
            self._live("working")

    def _say(self, event: Event, *spans: Span) -> None:
        self._screen.say((f"{event.time_s:8.2f}s ", "dim"), *spans)


@contextlib.contextmanager
def shown(screen: Screen, *, quiet: bool) -> Iterator[Callable[[Event], None] | None]:
    """A listener for as long as a command works; None when nothing shall be shown."""
    if quiet:
        yield None
    elif not screen.is_terminal:
        yield Progress(screen)
    else:
        from rich.text import Text

        with screen.console.status("reading the data", spinner="dots") as status:
            yield Progress(screen, live=lambda text: status.update(Text(text)))
