"""What the clock says: a training that waits for its data, or a device that waits for its host."""

from trainwright.core.findings import Finding
from trainwright.doctor.history import History
from trainwright.doctor.symptoms import Waits, starved


def waiting(history: History) -> Finding | None:
    """The first time that `trainwright.doctor.symptoms.starved` has something to say."""
    shares, seconds = history.of("data_wait_share"), history.of("unit_seconds")
    took = dict(zip(seconds.steps, seconds.values, strict=True))
    use = history.of("device_use_percent")
    used = dict(zip(use.steps, use.values, strict=True))
    waits, stage = Waits(), history.text("stage")
    for step, share in zip(shares.steps, shares.values, strict=True):
        values = {"data_wait_share": share} | ({"device_use_percent": used[step]} if step in used else {})
        waits, finding = starved(waits, values, took.get(step, 0.0), step=int(step), stage=stage)
        if finding is not None:
            return finding
    return None
