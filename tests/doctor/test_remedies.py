"""What is done about a symptom, within which limits."""

from dataclasses import replace

from trainwright.core.findings import Finding, Severity
from trainwright.doctor.remedies import Policy, Remedy, choose, repaired, suggestion

ABLE = ("learning_rate", "clip_norm", "skip_rows")


def found(code: str, **evidence: object) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, where="fit", what="it broke", evidence=evidence)  # type: ignore[arg-type]


def test_a_rate_that_destroys_an_untrained_model_is_measured_then_lowered_from_the_beginning() -> None:
    first = choose([found("doctor.loss_exploding")], Policy(), able=ABLE)
    assert first == Remedy(
        symptom="doctor.loss_exploding",
        action="learning_rate",
        values={"measure": True},
        back=True,
        beginning=True,
    )
    second = choose([found("doctor.loss_exploding")], Policy(), able=ABLE, done=[first])
    assert second is not None
    assert (second.values, second.back) == ({"factor": 0.1}, True)


def test_a_rate_that_carried_a_training_is_halved() -> None:
    remedy = choose([found("doctor.loss_exploding")], Policy(), able=ABLE, best=3.0)
    assert remedy is not None
    assert (remedy.values, remedy.beginning) == ({"factor": 0.5}, False)


def test_few_broken_rows_are_left_out_and_many_are_the_rates_fault() -> None:
    few = found("doctor.non_finite", rows=[7], examined=32, spoiled=False)
    many = found("doctor.non_finite", rows=list(range(20)), examined=32, spoiled=False)
    first, second = (choose([f], Policy(), able=ABLE) for f in (few, many))
    assert first == Remedy(symptom="doctor.non_finite", action="skip_rows", values={"rows": [7]})
    assert second is not None
    assert second.action == "learning_rate"


def test_a_spoiled_network_goes_back_before_its_rows_are_left_out() -> None:
    remedy = choose([found("doctor.non_finite", rows=[7], examined=32, spoiled=True)], Policy(), able=ABLE)
    assert remedy is not None
    assert (remedy.action, remedy.back) == ("skip_rows", True)


def test_gradients_are_clipped_from_before_they_exploded() -> None:
    seen = found("doctor.exploding_gradients", step=5.0, clip=0.4)
    after, before, never = (choose([seen], Policy(), able=ABLE, best=best) for best in (5.0, 4.0, None))
    assert before == Remedy(symptom="doctor.exploding_gradients", action="clip_norm", values={"norm": 0.4}, back=True)
    assert before is not None
    assert after == never == replace(before, beginning=True)
    clipped = found("doctor.exploding_gradients", step=5.0, clip=None)
    assert choose([clipped], Policy(), able=ABLE, best=4.0) is None


def test_a_rate_that_taught_nothing_is_left_for_the_beginning_whatever_was_best() -> None:
    remedy = choose([found("doctor.rate_too_low")], Policy(), able=ABLE, best=4.0)
    assert remedy is not None
    assert (remedy.back, remedy.beginning) == (True, True)


def test_limits_hold_for_each_kind() -> None:
    rate = Remedy(symptom="doctor.loss_exploding", action="learning_rate", values={"factor": 0.1}, back=True)
    assert choose([found("doctor.loss_exploding")], Policy(rate_changes=2), able=ABLE, done=[rate]) is not None
    assert choose([found("doctor.loss_exploding")], Policy(rate_changes=2), able=ABLE, done=[rate, rate]) is None
    rows = found("doctor.non_finite", rows=[1, 2], examined=64, spoiled=False)
    assert choose([rows], Policy(skipped_rows=1, rate_changes=0), able=ABLE) is None


def test_a_rate_is_not_raised_again_once_it_was_lowered() -> None:
    lowered = Remedy(symptom="doctor.loss_exploding", action="learning_rate", values={"factor": 0.1}, back=True)
    assert choose([found("doctor.rate_too_low")], Policy(), able=ABLE) is not None
    assert choose([found("doctor.rate_too_low")], Policy(), able=ABLE, done=[lowered]) is None


def test_an_engine_without_the_repair_gets_none() -> None:
    assert choose([found("doctor.loss_exploding")], Policy(), able=()) is None
    assert choose([found("doctor.overfitting")], Policy(), able=ABLE) is None


def test_a_suggestion_holds_the_change_of_the_spec() -> None:
    remedy = Remedy(symptom="doctor.rate_too_low", action="learning_rate", values={"factor": 10.0})
    assert suggestion(remedy, rate=3e-6, path="training.optimizer.lr").fix == "Write training.optimizer.lr: 3e-05"


def test_what_was_repaired_is_no_error_any_more() -> None:
    remedy = Remedy(symptom="doctor.non_finite", action="skip_rows", values={"rows": [7]})
    told = repaired(found("doctor.non_finite"), remedy)
    assert told.severity is Severity.WARNING
    assert "leaving 1 broken rows out" in told.fix
