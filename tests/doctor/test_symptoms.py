"""Each symptom fires on its own picture and not on the picture beside it."""

import math
from collections.abc import Sequence

import pytest

from trainwright.core.findings import Severity
from trainwright.core.jsonable import JsonValue
from trainwright.doctor.examine import examine
from trainwright.doctor.history import History, Series

CONSTANT: dict[str, JsonValue] = {"train": 0.69, "val": 0.69, "objective": 0.69}
ENDED: dict[str, JsonValue] = {"reason": "rounds", "selected": 20, "rounds_limit": 20, "val_rows": 500, "unit": "epoch"}


def history(facts: dict[str, JsonValue] | None = None, **series: Sequence[float]) -> History:
    """Values from round 1 on; ``__`` in a name stands for a dot."""
    named = {
        name.replace("__", "."): Series(tuple(float(i + 1) for i in range(len(values))), tuple(values))
        for name, values in series.items()
    }
    return History(named, {"stage": "fit", "constant_loss": CONSTANT, **(facts or {})})


def codes(found: History) -> list[str]:
    return [finding.code.removeprefix("doctor.") for finding in examine(found)]


def falling(first: float, last: float, n: int = 20, rate: float = 0.4) -> list[float]:
    return [last + (first - last) * math.exp(-rate * i) for i in range(n)]


def test_nothing_is_known_and_nothing_said() -> None:
    assert examine(History()) == []


def test_a_healthy_training_is_quiet_while_it_runs_and_at_its_end() -> None:
    loss = falling(0.6, 0.10)
    curves = {"objective": loss, "train_loss": loss, "val_loss": falling(0.6, 0.15)}
    assert codes(history(**curves)) == []
    assert codes(history({**ENDED, "reason": "early_stopping"}, **curves)) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_an_error_and_says_where(bad: float) -> None:
    (finding,) = examine(history(objective=[0.6, 0.5, bad]))
    assert (finding.code, finding.severity, finding.evidence["step"]) == ("doctor.non_finite", Severity.ERROR, 3.0)


def test_an_explosion_is_told_from_a_bad_first_round() -> None:
    assert codes(history(train_loss=[0.6, 0.5, 2.2, 2.2], objective=[0.6, 0.5, 2.0, 2.0])) == ["loss_exploding"]
    assert codes(history(train_loss=[0.6, 0.5, 7.2], objective=[0.6, 0.5, 2.0])) == ["loss_exploding"]
    assert codes(history(train_loss=[2.2, 0.6, 2.2, 0.5], objective=[2.0, 0.6, 0.6, 0.5])) == []
    assert codes(history(train_loss=[1.5, 0.6], objective=[4.0, 0.6])) == []
    assert codes(history(objective=[70.0])) == ["loss_exploding"]


def test_without_a_constant_a_loss_is_held_against_its_own_lowest() -> None:
    bare = History({"objective": Series((1.0, 2.0, 3.0), (1.0, 0.4, 4.1))}, {})
    assert codes(bare) == ["loss_exploding"]


def test_a_spike_is_a_jump_that_comes_back() -> None:
    quiet = falling(0.6, 0.1)
    jumped = [*quiet[:10], 0.9, *quiet[10:]]
    assert codes(history(objective=jumped)) == ["loss_spike"]
    assert codes(history(objective=quiet)) == []


@pytest.mark.parametrize(
    ("update", "code"), [(1e-6, "rate_too_low"), (1e-3, "loss_stuck"), (0.5, "rate_too_high"), (None, "loss_stuck")]
)
def test_why_a_loss_is_stuck_is_read_off_the_updates(update: float | None, code: str) -> None:
    layers = {} if update is None else {"layer__a__update_ratio": [update] * 5}
    assert codes(history(train_loss=[0.690, 0.689, 0.689, 0.688, 0.688], **layers)) == [code]
    assert codes(history(train_loss=[0.690, 0.689, 0.689, 0.688], **layers)) == []
    assert codes(history(train_loss=[0.690, 0.689, 0.689, 0.688, 0.6], **layers)) == []


def test_a_gradient_of_nothing_is_no_matter_of_the_rate() -> None:
    still = {"train_loss": [0.69] * 5, "layer__a__update_ratio": [0.0] * 5}
    assert codes(history(**still, gradient_norm=[0.0] * 5)) == ["dead_layer"]
    assert codes(history(**still, gradient_norm=[0.0, 0.0, 0.0, 0.0, 1e-7])) == ["rate_too_low"]


def test_one_reading_of_the_updates_may_be_a_warm_up() -> None:
    assert codes(history(train_loss=[0.69] * 5, layer__a__update_ratio=[0.0])) == []


EVENLY = [0.634 - 0.002 * n for n in range(6)]


@pytest.mark.parametrize(
    ("loss", "updates", "rounds", "found"),
    [
        (EVENLY, [4e-6] * 6, 40, ["rate_too_low"]),
        (EVENLY, [1e-3] * 6, 40, []),
        (EVENLY, [4e-6 * n for n in range(1, 7)], 40, []),
        (EVENLY, [4e-6] * 6, 400, []),
        ([0.634, 0.62, 0.612, 0.608, 0.606, 0.605], [4e-6] * 6, 40, []),
        (EVENLY[::-1], [4e-6] * 6, 40, []),
    ],
    ids=["crawling", "usual steps", "warm-up", "there are rounds enough", "near its floor", "rising"],
)
def test_a_loss_that_falls_evenly_and_leads_nowhere_has_a_low_rate(
    loss: list[float], updates: list[float], rounds: int, found: list[str]
) -> None:
    facts = {"constant_loss": {"train": 0.66, "val": 0.66}, "rounds_limit": rounds}
    assert codes(history(facts, objective=loss, train_loss=loss, layer__a__update_ratio=updates)) == found


def test_oscillation_is_large_and_to_and_fro() -> None:
    assert codes(history(objective=[0.6, 0.3] * 6)) == ["oscillation"]
    assert codes(history(objective=[0.5 + 0.001 * (i % 2) for i in range(12)])) == []


def test_vanishing_gradients_and_dead_layers() -> None:
    vanishing = {f"layer__l{i}__grad_norm": [10.0 ** (2 * i - 8)] * 3 for i in range(5)}
    assert codes(history(**vanishing)) == ["vanishing_gradients"]
    assert codes(history(layer__a__saturated_share=[0.995, 1.0])) == ["dead_layer"]
    assert codes(history(layer__a__saturated_share=[1.0, 0.6])) == []
    assert codes(history(layer__a__grad_norm=[0.0, 0.0], layer__b__grad_norm=[1.0, 1.0])) == ["dead_layer"]


def test_a_gradient_that_is_many_times_as_long() -> None:
    assert codes(history(gradient_norm=[1.0, 1.2, 0.9, 1.1, 500.0])) == ["exploding_gradients"]
    assert codes(history(gradient_norm=[500.0, 1.2, 0.9, 1.1, 1.0])) == []
    (finding,) = examine(history({"unit": "epoch"}, gradient_norm=[4e15, 1.2, 0.9, 1.1, 1.0]))
    assert (finding.code, finding.evidence["usual"]) == ("doctor.exploding_gradients", 1.1)
    assert "at epoch 1," in finding.what


def test_a_gradient_that_explodes_within_the_first_units() -> None:
    """One step of many: after it the network is dead, its other gradients short."""
    one = {"gradient_norm": [3e3, 0.4], "gradient_norm_usual": [0.6, 0.4], "gradient_norm_longest": [4e4, 0.7]}
    (finding,) = examine(history(**one))
    assert (finding.code, finding.evidence["clip"], finding.evidence["step"]) == ("doctor.exploding_gradients", 1.0, 1)
    assert codes(history({"clip_norm": 1.0}, **one)) == []
    high = {"gradient_norm": [7e4] * 2, "gradient_norm_usual": [4e4] * 2, "gradient_norm_longest": [2e5] * 2}
    assert codes(history(**high)) == []  # all are long: that is the rate's doing


@pytest.mark.parametrize(("update", "found"), [(0.03, ["exploding_gradients", "non_finite"]), (0.5, ["non_finite"])])
def test_a_loss_that_is_lost_after_steps_of_a_usual_size_is_the_gradients_doing(
    update: float, found: list[str]
) -> None:
    lost = history(
        objective=[math.nan],
        gradient_norm=[5e3],
        gradient_norm_usual=[5e3],
        gradient_norm_longest=[5e3],
        layer__a__update_ratio=[update],
    )
    assert sorted(codes(lost)) == found


def test_a_clip_norm_that_is_there_is_not_raised() -> None:
    (finding,) = examine(history({"clip_norm": 0.5}, gradient_norm=[1.0, 1.2, 0.9, 1.1, 500.0]))
    assert (finding.evidence["clip"], finding.fix) == (None, "Lower the learning rate")


def test_the_mean_square_of_a_regression_is_far_only_where_its_root_is() -> None:
    regression = {"constant_loss": {"train": 77.0, "val": 77.0, "objective": 1.0}, "task": "regression", "loss": "auto"}
    assert codes(history(regression, objective=[13.0, 1.0, 0.8])) == []
    assert codes(history(regression, objective=[130.0, 1.0, 0.8])) == ["loss_exploding"]
    assert codes(history({**regression, "loss": "mae"}, objective=[13.0, 1.0, 0.8])) == ["loss_exploding"]


def test_overfitting_by_gap() -> None:
    curves = {"train_loss": falling(0.6, 0.01), "val_loss": falling(0.6, 0.4)}
    assert codes(history(ENDED, **curves)) == ["overfitting"]


def test_a_gap_alone_is_no_harm_where_validation_chose_the_round() -> None:
    curves = {"train_loss": falling(0.6, 0.01), "val_loss": falling(0.6, 0.4)}
    assert codes(history({**ENDED, "patience": 5}, **curves)) == []


def test_a_gap_within_the_noise_of_few_validation_rows_is_none() -> None:
    curves = {"train_loss": falling(0.6, 0.01), "val_loss": falling(0.6, 0.4)}  # a gap of 0.56 of the constant's loss
    assert codes(history(ENDED, **curves, val_loss_error=[0.25] * 20)) == []
    assert codes(history(ENDED, **curves, val_loss_error=[0.15] * 20)) == ["overfitting"]


def test_what_is_lost_after_the_best_counts_where_the_model_has_lost_it() -> None:
    lost = [0.6, 0.45, 0.4, 0.38, 0.45, 0.5, 0.55]
    curves = {"train_loss": falling(0.5, 0.35, 7), "val_loss": lost}
    stopped, last = {**ENDED, "reason": "early_stopping", "selected": 4, "patience": 3}, {**ENDED, "selected": 7}
    assert codes(history(last, **curves)) == ["overfitting"]
    assert codes(history(stopped, **curves)) == []
    assert codes(history(last, **curves, val_loss_error=[0.1] * 7)) == []


def test_labels_that_teach_nothing_and_models_that_learn_nothing() -> None:
    early = {**ENDED, "reason": "early_stopping", "selected": 2}
    assert "learned_by_heart" in codes(history(early, train_loss=falling(0.65, 0.1), val_loss=[0.69, 0.7] * 10))
    assert codes(history(early, train_loss=falling(0.69, 0.65), val_loss=falling(0.69, 0.66))) == ["underfitting"]


def test_a_story_is_told_once() -> None:
    early = {**ENDED, "selected": 20}
    assert codes(history(early, train_loss=falling(0.65, 0.1), val_loss=[0.69, 0.9] * 10)) == ["learned_by_heart"]
    val = [0.6, 0.55, 0.5, *[1.2] * 17]
    assert codes(history(early, train_loss=falling(0.55, 0.05), val_loss=val)) == ["overfitting"]
    stuck = history(ENDED, train_loss=[0.69] * 20, val_loss=[0.69] * 20, top_class_share=[1.0] * 20)
    assert codes(stuck) == ["loss_stuck"]
    dead = history(ENDED, train_loss=[0.66] * 20, val_loss=[0.67] * 20, layer__a__saturated_share=[1.0] * 20)
    assert codes(dead) == ["dead_layer"]


@pytest.mark.parametrize("loss", [[9.0, 8.0, 8.5, 8.2, 9.1], [0.69] * 5], ids=["exploded", "stuck"])
def test_inputs_that_are_not_scaled_are_the_cause_of_what_a_rate_cannot_cure(loss: list[float]) -> None:
    wide: dict[str, JsonValue] = {"unit": "epoch", "input_scale": {"largest": 4e4, "column": "income"}}
    (finding,) = examine(history(wide, train_loss=loss, objective=loss))
    assert (finding.code, finding.severity) == ("doctor.inputs_not_scaled", Severity.WARNING)
    assert finding.evidence["column"] == "income"
    assert "StandardScaler" in finding.fix
    trees: dict[str, JsonValue] = {**wide, "unit": "round"}
    narrow: dict[str, JsonValue] = {**wide, "input_scale": {"largest": 2.0, "column": "income"}}
    for facts in (trees, narrow):
        assert codes(history(facts, train_loss=loss, objective=loss)) in (["loss_exploding"], ["loss_stuck"])


def test_wide_inputs_are_no_trouble_to_a_network_that_learns() -> None:
    loss = falling(0.6, 0.1)
    wide: dict[str, JsonValue] = {"unit": "epoch", "input_scale": {"largest": 4e4, "column": "income"}}
    assert codes(history(wide, objective=loss, train_loss=loss)) == []


@pytest.mark.parametrize(("rate", "code"), [(30.0, "rate_too_high"), (1.0, "loss_stuck")])
def test_a_booster_that_is_lost_at_a_rate_above_one(rate: float, code: str) -> None:
    facts: dict[str, JsonValue] = {"unit": "round", "params": {"learning_rate": rate}}
    assert codes(history(facts, train_loss=[0.69] * 9, val_loss=[2.5] * 9)) == [code]
    exploded = code.replace("stuck", "exploding")
    under = code.replace("loss_stuck", "underfitting")
    assert codes(history({**ENDED, **facts}, train_loss=[0.65] * 9, val_loss=[0.66] * 9)) in (
        [under],
        [under, "plateau"],
    )
    assert codes(history(facts, train_loss=[2.5] * 9, val_loss=[2.5] * 9)) == [exploded]


def test_label_noise_ends_worse_than_a_constant() -> None:
    early = {**ENDED, "reason": "early_stopping", "selected": 3}
    val = [0.6, 0.55, 0.5, 0.6, 0.7, 0.9]
    curves = {"train_loss": falling(0.55, 0.05, 6), "val_loss": val}
    assert codes(history(early, **curves)) == ["label_noise"]
    assert codes(history(early, **curves, val_loss_error=[0.15] * 6)) == []


def test_a_loss_of_nearly_nothing_is_too_good() -> None:
    early = {**ENDED, "reason": "early_stopping"}
    assert codes(history(early, train_loss=falling(0.1, 1e-5), val_loss=falling(0.1, 1e-5))) == ["too_good"]


def test_rounds_that_end_while_the_loss_falls_or_long_after() -> None:
    slope = [0.69 - 0.02 * i for i in range(20)]
    assert codes(history(ENDED, train_loss=slope, val_loss=slope)) == ["rounds_too_few"]
    flat = [0.6, 0.3, 0.2, *[0.2] * 17]
    assert codes(history(ENDED, train_loss=flat, val_loss=flat)) == ["plateau"]


def test_a_patience_of_one_in_noise() -> None:
    facts = {**ENDED, "reason": "early_stopping", "patience": 1, "rounds_limit": 100, "selected": 5}
    noisy, smooth = [0.6, 0.55, 0.5, 0.46, 0.43, 0.431], [0.6, 0.55, 0.5, 0.45, 0.41, 0.38]
    assert codes(history(facts, train_loss=smooth, val_loss=noisy)) == ["stopped_too_early"]
    assert codes(history({**facts, "patience": 20}, train_loss=smooth, val_loss=noisy)) == []


def test_a_schedule_that_cools_before_the_loss_has_settled() -> None:
    loss = [0.6, 0.55, 0.5, 0.45, 0.4, *[0.39] * 15]
    rates = [1.0, 0.8, 0.5, 0.2, 0.04, *[0.001] * 15]
    facts = {**ENDED, "reason": "early_stopping"}
    assert codes(history(facts, train_loss=loss, val_loss=loss, learning_rate=rates)) == ["schedule_too_short"]
    steady = [1.0] * 20
    assert codes(history(facts, train_loss=loss, val_loss=loss, learning_rate=steady)) == []


def test_trees_that_never_split() -> None:
    facts = {**ENDED, "unit": "round", "reason": "early_stopping", "task": "binary"}
    assert codes(history(facts, train_loss=[0.69] * 4, val_loss=[0.69] * 4)) == ["no_split"]


def test_one_answer_for_all_rows() -> None:
    facts: dict[str, JsonValue] = {"true_top_class_share": 0.6}
    assert codes(history(facts, top_class_share=[0.7, 1.0, 1.0, 1.0])) == ["class_collapse"]
    assert codes(history(facts, top_class_share=[1.0, 1.0, 0.7])) == []
    assert codes(history({"true_top_class_share": 0.99}, top_class_share=[1.0] * 4)) == []
    assert codes(history(prediction_spread=[0.001] * 3)) == ["constant_prediction"]


@pytest.mark.parametrize(
    ("classes", "highest", "lowest", "found"),
    [
        (10, math.e / (math.e + 9), 1 / (math.e + 9), True),  # a softmax of a softmax
        (2, math.e / (math.e + 1), 0.5, True),  # a sigmoid of a sigmoid
        (10, 0.30, 0.01, False),
        (10, math.e / (math.e + 9), 0.02, False),
        (2, math.e / (math.e + 1), 0.3, False),
        (2, 0.70, 0.5, False),
    ],
)
def test_scores_that_were_squashed_before_the_loss(classes: int, highest: float, lowest: float, found: bool) -> None:
    facts: dict[str, JsonValue] = {"classes": classes, "unit": "epoch"}
    seen = history(facts, highest_probability=[highest] * 3, lowest_probability=[lowest] * 3)
    assert codes(seen) == (["output_squashed"] if found else [])
    facts["unit"] = "round"
    assert codes(history(facts, highest_probability=[highest] * 3, lowest_probability=[lowest] * 3)) == []


def test_values_that_never_fall_below_the_mean() -> None:
    facts: dict[str, JsonValue] = {"unit": "epoch", "loss": "mse"}
    assert codes(history(facts, lowest_prediction=[0.0] * 3, prediction_spread=[0.5] * 3)) == ["output_squashed"]
    assert codes(history(facts, lowest_prediction=[-0.5] * 3, prediction_spread=[0.5] * 3)) == []
    facts["loss"] = "quantile"
    assert codes(history(facts, lowest_prediction=[0.0] * 3, prediction_spread=[0.5] * 3)) == []


def test_confidence_is_judged_at_the_kept_round_and_against_its_noise() -> None:
    facts = {**ENDED, "selected": 2}
    assert codes(history(facts, overconfidence=[0.0, 0.3, 0.0])) == ["miscalibrated"]
    assert codes(history(facts, overconfidence=[0.3, 0.0, 0.3])) == []
    assert codes(history({**facts, "val_rows": 20}, overconfidence=[0.0, 0.2, 0.0])) == []


def test_waiting_for_data() -> None:
    assert codes(history(data_wait_share=[0.8] * 4, unit_seconds=[1.0] * 4)) == ["starved"]


def test_the_worst_comes_first() -> None:
    found = examine(history(objective=[0.6, math.nan], layer__a__saturated_share=[1.0, 1.0]))
    assert [finding.severity for finding in found] == [Severity.ERROR, Severity.WARNING]
