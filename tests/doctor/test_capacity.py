"""What memory and number formats cannot hold: what is seen, what is done about it, what is to be written."""

from dataclasses import replace

import pytest

from trainwright.core.findings import Finding, Severity
from trainwright.doctor.capacity import (
    Equivalence,
    Pass,
    accumulated,
    not_equivalent,
    out_of_memory,
    overflown,
    scale_collapsed,
)
from trainwright.doctor.remedies import Policy, Remedy, choose, suggestion, words

ABLE = ("learning_rate", "halve_batch", "precision")


def full(batch_rows: int, step_rows: int = 32, least_rows: int = 1) -> Finding:
    tried = Pass(device="cuda:0", batch_rows=batch_rows, step_rows=step_rows, least_rows=least_rows)
    return out_of_memory(tried, step=2, stage="fit")


def chosen(finding: Finding, policy: Policy | None = None, done: tuple[Remedy, ...] = ()) -> Remedy | None:
    return choose([finding], policy or Policy(), able=ABLE, done=done)


@pytest.mark.parametrize(
    ("batch_rows", "least_rows", "half"), [(32, 1, 16), (33, 1, 17), (3, 1, 2), (2, 1, 1), (3, 2, 2), (5, 4, 4)]
)
def test_passes_are_halved_and_steps_stay(batch_rows: int, least_rows: int, half: int) -> None:
    remedy = chosen(full(batch_rows, 64, least_rows))
    assert remedy is not None
    assert (remedy.action, remedy.values, remedy.back) == ("halve_batch", {"batch_size": half, "step_rows": 64}, False)


@pytest.mark.parametrize(("batch_rows", "least_rows"), [(1, 1), (2, 2)])
def test_the_smallest_pass_is_not_halved(batch_rows: int, least_rows: int) -> None:
    finding = full(batch_rows, 32, least_rows)
    assert chosen(finding) is None
    assert finding.fix.startswith("Use a smaller network")


def test_halvings_have_a_limit_of_their_own() -> None:
    once = Remedy(symptom="doctor.out_of_memory", action="halve_batch")
    assert chosen(full(32), Policy(batch_halvings=2), (once,)) is not None
    assert chosen(full(32), Policy(batch_halvings=2, rate_changes=0), (once, once)) is None


@pytest.mark.parametrize(
    ("batch_rows", "step_rows", "change"),
    [
        (16, 32, "training.batch_size: 16 and training.accumulate: 2"),
        (17, 33, "training.batch_size: 17 and training.accumulate: 2 (34 rows a step in place of 33)"),
        (1, 3, "training.batch_size: 1 and training.accumulate: 3"),
    ],
)
def test_the_change_of_the_spec_says_where_it_is_not_exact(batch_rows: int, step_rows: int, change: str) -> None:
    assert accumulated(batch_rows, step_rows) == change
    remedy = Remedy(
        symptom="s", action="halve_batch", values={"batch_size": batch_rows, "step_rows": step_rows}, back=False
    )
    assert suggestion(remedy, rate=None, path="training.optimizer.lr").fix == f"Write {change}"
    assert words(remedy) == f"taking steps of {step_rows} rows in passes of {batch_rows}"


def test_another_gradient_is_told_with_its_reason() -> None:
    numbers = Equivalence(rows=16, difference=0.3, tolerance=1e-5, batch_norms=0, noise=False)
    norms = not_equivalent(replace(numbers, difference=0.3, batch_norms=2), step=1, stage="fit")
    assert "0.3 of the largest entry apart over 16 rows (rounding makes up to 1e-05)" in norms.what
    assert "2 batch norms" in norms.why
    other = not_equivalent(replace(numbers, difference=0.3, batch_norms=0), step=1, stage="fit")
    assert "look at each other" in other.why
    unseen = not_equivalent(replace(numbers, difference=None, batch_norms=0, rows=0), step=1, stage="fit")
    assert "no two of them fit" in unseen.what
    broken = not_equivalent(replace(numbers, difference=None, batch_norms=0), step=1, stage="fit")
    assert "not finite" in broken.what


@pytest.mark.parametrize(("scale", "fallen"), [(None, False), (65536.0, False), (1.0, False), (0.5, True)])
def test_a_loss_scale_below_one_has_collapsed(scale: float | None, fallen: bool) -> None:
    values = {} if scale is None else {"loss_scale": scale}
    finding = scale_collapsed(values, precision="fp16", step=3, stage="fit")
    assert (finding is not None) is fallen
    assert finding is None or finding.severity is Severity.WARNING


def test_formats_get_wider_one_at_a_time() -> None:
    broken = Finding(code="doctor.non_finite", severity=Severity.ERROR, where="fit", what="loss became NaN")
    first = chosen(overflown(broken, precision="fp16"))
    assert first == Remedy(
        symptom="doctor.precision_overflow", action="precision", values={"precision": "bf16"}, back=True
    )
    second = chosen(overflown(broken, precision="bf16"), done=(first,))
    assert second is not None
    assert second.values == {"precision": "fp32"}
    assert chosen(overflown(broken, precision="fp32")) is None
    assert chosen(overflown(broken, precision="fp16"), Policy(precision_changes=0)) is None
    assert suggestion(first, rate=None, path="x").fix == "Write training.precision: bf16"
    assert words(first) == "going back and computing in bf16"


@pytest.mark.parametrize(
    ("evidence", "more"),
    [
        ({"streamed": True, "workers": 0, "cores": 4}, 2),
        ({"streamed": True, "workers": 2, "cores": 4}, 4),
        ({"streamed": True, "workers": 3, "cores": 4}, 4),
        ({"streamed": True, "workers": 4, "cores": 4}, None),
        ({"streamed": True, "workers": 0, "cores": 1}, None),
        ({"streamed": True, "workers": 2, "cores": 8, "processes": 2}, 4),
        ({"streamed": True, "workers": 4, "cores": 8, "processes": 2}, None),
        ({"streamed": False, "workers": 0, "cores": 4}, None),
        ({}, None),
    ],
)
def test_threads_that_load_are_doubled_while_there_are_cores(evidence: dict[str, object], more: int | None) -> None:
    finding = Finding(code="doctor.starved", severity=Severity.WARNING, where="fit", what="waits", evidence=evidence)  # type: ignore[arg-type]
    remedy = choose([finding], Policy(), able=("num_workers",))
    assert (None if remedy is None else remedy.values["num_workers"]) == more
    assert choose([finding], Policy(worker_changes=0), able=("num_workers",)) is None
    if remedy is not None:
        assert suggestion(remedy, rate=None, path="x").fix == f"Write training.num_workers: {more}"
