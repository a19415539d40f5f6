"""What the doctor knows of a training in progress."""

from collections.abc import Iterable, Mapping

from trainwright.core.events import Event, Finished
from trainwright.core.findings import Finding
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.examine import examine
from trainwright.doctor.history import Growing
from trainwright.doctor.remedies import TRACELESS

WATCHED = ("objective", "train_loss", "gradient_norm", "unit_seconds", "layer.")
"""What the symptoms that have a remedy look at."""


class Chart:
    """The whole training, and what happened ``since`` the last repair. Listens to events.

    ``past`` are the lines of the log that were written before a resume.
    """

    def __init__(self, stage: str, past: Iterable[Mapping[str, JsonValue]] = ()) -> None:
        self.whole, self.since = Growing(stage), Growing(stage, only=WATCHED)
        for line in past:
            self.whole.see(line)
            self.since.see(line)
            if line.get("event") == "repaired" and line.get("action") not in TRACELESS:
                self.since.forget()

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        self.whole.event(event)
        self.since.event(event)

    def verdict(self, finished: Finished) -> list[Finding]:
        """The symptoms of the whole training, which ended so."""
        self.whole.event(Event(0, 0.0, finished))
        return examine(self.whole.history())
