"""A log becomes series under fixed names; what is trained again replaces what was."""

import math

from trainwright.core.events import Evaluated, Event, Finished, Repaired, Started, Trained
from trainwright.doctor.history import Growing, higher_is_better, history_of


def training(*bodies: tuple[int, object]) -> list[Event]:
    started = Event(0, 0.0, Started(stage="fit", facts={"unit": "epoch", "constant_loss": {"train": 0.7}}))
    return [started, *(Event(step, 0.0, body) for step, body in bodies)]  # type: ignore[arg-type]


def unit(loss: float, **statistics: float) -> Trained:
    return Trained(unit="epoch", seconds=1.0, values={"loss": loss, "grad_norm": 2.0}, statistics={"a.b": statistics})


def test_values_get_their_names() -> None:
    seen = Evaluated(
        metrics={"val": {"log_loss": 0.5, "roc_auc": 0.9}, "train": {"log_loss": 0.4}},
        best=True,
        seconds=0.0,
        signs={"overconfidence": 0.1},
    )
    history = history_of(training((1, unit(0.6, update_ratio=1e-3)), (1, seen)))
    assert history.of("objective").values == (0.6,)
    assert history.of("gradient_norm").values == (2.0,)
    assert history.of("val_loss").values == history.of("val.log_loss").values == (0.5,)
    assert history.of("train_loss").values == (0.4,)
    assert history.of("overconfidence").values == (0.1,)
    assert history.layers("update_ratio")["a.b"].values == (1e-3,)
    assert history.number("constant_loss", "train") == 0.7
    assert history.of("nothing").values == ()


def test_events_and_lines_of_the_log_give_the_same() -> None:
    events = training((1, unit(math.nan)), (2, unit(0.3)), (2, Finished(stage="fit", reason="rounds", facts={})))
    lines = [event.to_json() for event in events]
    assert repr(history_of(events)) == repr(history_of(lines))
    assert math.isnan(history_of(lines).of("objective").values[0])
    assert history_of(lines).text("reason") == "rounds"


def test_a_repair_that_goes_back_takes_what_came_after_with_it() -> None:
    back = Repaired(symptom="s", action="learning_rate", before={}, after={"rounds": 1, "step": 0})
    history = history_of(training((1, unit(0.6)), (2, unit(9.0)), (2, back), (2, unit(0.5))))
    assert history.of("objective").values == (0.6, 0.5)
    assert history_of(training((1, unit(0.6)), (2, unit(9.0)), (2, back))).of("objective").values == (0.6,)


def test_other_stages_do_not_count() -> None:
    other = [Event(0, 0.0, Started(stage="fold:0")), Event(1, 0.0, unit(0.1))]
    assert history_of([*other, *training((1, unit(0.6)))]).of("objective").values == (0.6,)


def test_units_inside_a_round_lie_between_its_ends() -> None:
    half = Trained(unit="epoch", seconds=1.0, values={"loss": 1.0}, step_in_round=50)
    assert history_of(training((0, half), (1, unit(0.6)))).of("objective").values == (1.0, 0.6)
    growing = Growing("fit")
    for event in training((0, half)):
        growing.event(event)
    growing.event(Event(0, 0.0, Started(stage="fit")))
    assert growing.history().of("objective").values == (1.0,)


def test_directions() -> None:
    assert higher_is_better("roc_auc")
    assert higher_is_better("eval_accuracy")
    assert not higher_is_better("eval_loss")
    assert not higher_is_better("mean_absolute_error")
