"""Events as lines of the record."""

import json
import math

import pytest

from trainwright.core.events import Evaluated, Event, Finished, Found, Repaired, Saved, Started, Trained
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import dumps

_FINDING = Finding(code="a.b", severity=Severity.WARNING, where="x", what="y", evidence={"n": 1})


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (Started(stage="fit", facts={"rows": 3}), {"event": "started", "stage": "fit", "facts": {"rows": 3}}),
        (
            Trained(unit="round", seconds=0.1, values={"loss": math.nan}, curves={"val_loss": (0.3, 0.2)}),
            {"event": "trained", "values": {"loss": "nan"}, "curves": {"val_loss": [0.3, 0.2]}},
        ),
        (
            Evaluated(metrics={"val": {"roc_auc": 0.9}}, best=True, seconds=0.0),
            {"event": "evaluated", "metrics": {"val": {"roc_auc": 0.9}}, "best": True},
        ),
        (Saved(path="checkpoints/last", reason="time", size_bytes=9, seconds=0.1), {"event": "saved", "size_bytes": 9}),
        (Found(finding=_FINDING), {"event": "found", "finding": _FINDING.to_json()}),
        (
            Repaired(symptom="nan", action="rewind", before={"lr": 0.1}, after={"lr": 0.05}),
            {"event": "repaired", "before": {"lr": 0.1}, "after": {"lr": 0.05}},
        ),
        (Finished(stage="fit", reason="rounds"), {"event": "finished", "reason": "rounds", "facts": {}}),
    ],
)
def test_an_event_is_one_line(body, fields):
    line = dumps(Event(step=7, time_s=1.5, body=body).to_json())
    assert "\n" not in line
    read = json.loads(line)
    assert (read["step"], read["time_s"]) == (7, 1.5)
    assert {k: read[k] for k in fields} == fields


def test_events_cannot_be_changed():
    event = Event(step=0, time_s=0.0, body=Started(stage="fit"))
    with pytest.raises(AttributeError):
        event.step = 1
