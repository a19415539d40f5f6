"""What every event of a record becomes at a tracker."""

import json
from itertools import pairwise

import pytest

from trainwright.core.events import Body, Evaluated, Event, Found, Saved, Started, Trained, Trial
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import dumps
from trainwright.trackers._points import STEPS_OF_A_UNIT, Points, final_metrics
from trainwright.trackers.contract import Point


def points(*bodies: tuple[int, Body], began_s: float = 0.0) -> list[Point]:
    """The points of events, through the lines that the record has of them."""
    mapping = Points(began_s=began_s)
    lines = [dumps(Event(step, 2.5, body).to_json()) for step, body in bodies]
    return [point for line in lines for point in mapping.of(json.loads(line))]


def values(*bodies: tuple[int, Body]) -> dict[str, tuple[str, int, float]]:
    """Name -> (axis, position, value) of the last point of each series."""
    return {p.name: (p.axis, p.at, p.value) for p in points(*bodies)}


NETWORK = Trained(
    unit="epoch",
    seconds=1.0,
    values={
        "loss": 0.5,
        "learning_rate": 0.01,
        "grad_norm": 2.0,
        "step_seconds": 0.02,
        "epoch_seconds": 0.9,
        "cpu_percent": 99.0,
        "rss_bytes": 1e9,
        "gpu_bytes": 2e9,
        "gpu_peak_bytes": 3e9,
        "something_new": 1.0,
    },
    steps=12,
    step_losses=(0.7, 0.6, 0.5),
)


def test_a_unit_of_a_network():
    assert values((4, NETWORK)) == {
        "per_batch_loss": ("step", 12, 0.5),
        "running_loss": ("step", 12, 0.5),
        "learning_rate": ("step", 12, 0.01),
        "gradient_norm": ("step", 12, 2.0),
        "batch_time": ("step", 12, 0.02),
        "epoch_time": ("round", 4, 0.9),
        "system/cpu_usage": ("step", 12, 99.0),
        "system/memory": ("step", 12, 1e9),
        "system/gpu_memory": ("step", 12, 2e9),
        "system/gpu_memory_peak": ("step", 12, 3e9),
    }


def test_losses_of_steps_stand_at_their_steps():
    found = [(p.at, p.value) for p in points((4, NETWORK)) if p.name == "per_batch_loss"]
    assert found == [(10, 0.7), (11, 0.6), (12, 0.5)]


def test_many_steps_are_spread_evenly_and_the_last_is_there():
    many = Trained(unit="epoch", seconds=1.0, steps=1000, step_losses=tuple(float(n) for n in range(1000)))
    at = [p.at for p in points((1, many)) if p.name == "per_batch_loss"]
    assert len(at) == STEPS_OF_A_UNIT
    assert at[-1] == 1000
    assert {b - a for a, b in pairwise(at)} == {20}


def test_a_unit_of_a_booster_has_time_and_loss_of_each_round():
    begun = (0, Started(stage="fit"))
    first = Trained(unit="round", seconds=1.0, curves={"val_loss": (0.9, 0.8)})
    second = Trained(unit="round", seconds=4.0, curves={"val_loss": (0.7, 0.6)})
    found = points(begun, (2, first), (4, second))
    assert [(p.at, p.value) for p in found if p.name == "batch_time"] == [(2, 0.5), (4, 2.0)]
    assert [(p.at, p.value) for p in found if p.name == "val_loss_each_round"] == [
        (1, 0.9),
        (2, 0.8),
        (3, 0.7),
        (4, 0.6),
    ]


@pytest.mark.parametrize("loss", ["log_loss", "rmse", "nats_per_character"])
def test_an_evaluation_has_the_loss_under_its_own_name_too(loss: str):
    body = Evaluated(metrics={"val": {loss: 0.4, "accuracy": 0.9}, "train": {loss: 0.3}}, best=True, seconds=0.1)
    assert values((7, body)) == {
        f"val_{loss}": ("round", 7, 0.4),
        "val_loss": ("round", 7, 0.4),
        "val_accuracy": ("round", 7, 0.9),
        f"train_{loss}": ("round", 7, 0.3),
        "train_loss": ("round", 7, 0.3),
    }


def test_an_evaluation_inside_an_epoch_stands_behind_that_of_the_epoch_before():
    inside = Trained(unit="epoch", seconds=1.0, steps=5, step_in_round=2)
    found = points((1, inside), (1, Evaluated(metrics={"val": {"accuracy": 0.5}}, best=False, seconds=0.0)))
    assert [(p.name, p.at) for p in found] == [("val_accuracy", 2)]


def test_checkpoints_and_trials():
    saved = Saved(path="checkpoints/last", reason="interval", size_bytes=7, seconds=0.1)
    trial = Trial(
        number=3,
        of=9,
        state="pruned",
        metric="accuracy",
        value=None,
        best=0.9,
        best_number=1,
        params={},
        seconds=2.0,
    )
    assert values((5, saved), (3, trial)) == {
        "checkpoint_size": ("round", 5, 7.0),
        "search_best": ("trial", 3, 0.9),
        "trial_time": ("trial", 3, 2.0),
    }


def test_other_stages_have_their_name_before_it():
    body = Evaluated(metrics={"val": {"accuracy": 0.5}}, best=True, seconds=0.0)
    found = points((0, Started(stage="fold:2")), (1, body), (0, Started(stage="fit")), (1, body))
    assert [p.name for p in found] == ["fold_2/val_accuracy", "val_accuracy"]


def test_what_is_not_finite_is_no_point():
    body = Evaluated(metrics={"val": {"accuracy": float("nan"), "f1": float("inf")}}, best=True, seconds=0.0)
    assert points((1, body)) == []


def test_what_only_people_read_is_no_point():
    finding = Finding(code="a.b", severity=Severity.INFO, where="x", what="y")
    assert points((0, Found(finding=finding)), (0, Started(stage="data"))) == []


def test_times_are_those_of_the_run():
    (point,) = points((1, Saved(path="x", reason="y", size_bytes=1, seconds=0.0)), began_s=1000.0)
    assert point.time_s == 1002.5


def test_numbers_of_a_finished_run():
    record = {
        "metrics": {"val": {"roc_auc": 0.9, "f1": 0.8}, "test": {"roc_auc": 0.85}},
        "intervals": {"val": {"low": 0.85, "high": 0.95, "level": 0.95}},
        "primary": {"name": "roc_auc"},
        "baselines": [{"name": "linear", "val": 0.7}],
        "model": {"num_parameters": 12, "rounds_best": 3},
        "seconds": {"total": 4.5},
    }
    assert final_metrics(record, 99) == {
        "final/val_roc_auc": 0.9,
        "final/val_f1": 0.8,
        "final/test_roc_auc": 0.85,
        "final/val_roc_auc_low": 0.85,
        "final/val_roc_auc_high": 0.95,
        "final/baseline_linear": 0.7,
        "parameter_count": 12.0,
        "model_size": 99.0,
        "selected_round": 3.0,
        "total_time": 4.5,
    }


def test_an_empty_record_has_the_models_size_only():
    assert final_metrics({}, 0) == {"model_size": 0.0}
