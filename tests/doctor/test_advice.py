"""What is to be written against overfitting, for each kind of model."""

import pytest

from trainwright.core.findings import Finding, Severity
from trainwright.doctor.advice import advise, against_overfitting

OVERFITTED = Finding(code="doctor.overfitting", severity=Severity.WARNING, where="fit", what="a gap")
SPEC = "architecture.architecture_spec."


def changes(
    params: dict[str, object], decay: float | None = None, unit: str = "round", best: int | None = None
) -> object:
    found = against_overfitting(OVERFITTED, params=params, weight_decay=decay, unit=unit, best=best)  # type: ignore[arg-type]
    return None if found is None else found.evidence["changes"]


@pytest.mark.parametrize(
    ("params", "decay", "change"),
    [
        ({"dropout": 0.15}, 0.02, {"training.optimizer.weight_decay": 0.2, SPEC + "dropout": 0.35}),
        ({"dropout": 0.45}, 0.0, {"training.optimizer.weight_decay": 0.001, SPEC + "dropout": 0.5}),
        ({"dropout": 0.5}, 0.3, None),
        ({"ffn_dropout": 0.1}, 0.05, {"training.optimizer.weight_decay": 0.3, SPEC + "ffn_dropout": 0.3}),
        ({"num_leaves": 50, "min_data_in_leaf": 40}, None, {SPEC + "num_leaves": 25, SPEC + "min_data_in_leaf": 80}),
        ({"max_depth": 6, "reg_lambda": 0.0}, None, {SPEC + "max_depth": 4, SPEC + "reg_lambda": 1.0}),
        ({"depth": 7, "l2_leaf_reg": 1e-5}, None, {SPEC + "depth": 5, SPEC + "l2_leaf_reg": 3.0}),
        ({"num_leaves": 4, "max_depth": -1, "activation": "relu", "front_scale": True}, None, None),
    ],
)
def test_each_model_gets_the_changes_it_knows(params: dict[str, object], decay: float | None, change: object) -> None:
    assert changes(params, decay) == change


def test_an_earlier_end_is_advised_where_the_last_round_was_taken() -> None:
    assert changes({}, unit="epoch", best=7) == {"training.epochs": 7}
    assert changes({}, unit="round", best=70) == {"training.rounds": 70}
    assert changes({}, best=None) is None


def test_the_fix_is_text_for_a_spec() -> None:
    found = against_overfitting(OVERFITTED, params={"dropout": 0.1}, weight_decay=0.0, unit="epoch", best=3)
    assert found is not None
    assert found.fix.startswith(
        "Write training.optimizer.weight_decay: 0.001, architecture.architecture_spec.dropout: 0.3, training.epochs: 3:"
    )
    other = Finding(code="doctor.plateau", severity=Severity.INFO, where="fit", what="")
    assert against_overfitting(other, params={"dropout": 0.1}, weight_decay=0.0, unit="epoch", best=3) is None


def test_a_rate_that_explodes_is_not_answered_with_regularisation() -> None:
    given = {"params": {"dropout": 0.1}, "weight_decay": 0.0, "unit": "epoch", "best": None}
    assert len(advise([OVERFITTED], **given)) == 1  # type: ignore[arg-type]
    exploded = Finding(code="doctor.loss_exploding", severity=Severity.WARNING, where="fit", what="")
    assert advise([exploded, OVERFITTED], **given) == []  # type: ignore[arg-type]
