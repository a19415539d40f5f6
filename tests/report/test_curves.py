"""Learning curves out of a log, and what is said about them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.report.folder import edit
from trainwright.core.jsonable import JsonValue
from trainwright.report import observations, tables, training_report
from trainwright.report.curves import read_log
from trainwright.report.facts import gather


def started(stage: str) -> dict[str, JsonValue]:
    return {"event": "started", "step": 0, "time_s": 0.0, "stage": stage, "facts": {}}


def judged(step: int, value: float) -> dict[str, JsonValue]:
    return {"event": "evaluated", "step": step, "time_s": 0.0, "metrics": {"val": {"log_loss": value}}, "best": True}


def test_other_stages_leave_no_point() -> None:
    log = read_log(
        [
            started("baseline:linear"),
            judged(500, 9.0),
            started("fit"),
            judged(1, 0.5),
            started("fold:0"),
            judged(7, 8.0),
        ]
    )
    assert log.curves["val", "log_loss"].steps == (1,)
    assert read_log([judged(1, 0.5)]).curves == {}


def test_values_inside_a_unit_belong_to_the_rounds_up_to_its_step() -> None:
    unit: dict[str, JsonValue] = {
        "event": "trained",
        "step": 10,
        "seconds": 0.1,
        "values": {},
        "curves": {"val_loss": [3.0, 2.0, "nan"]},
    }
    curve = read_log([started("fit"), unit]).curves["val", "loss"]
    assert (curve.steps, curve.values) == ((8, 9), (3.0, 2.0))


def test_a_repair_that_went_back_takes_the_later_points_with_it() -> None:
    back: dict[str, JsonValue] = {"event": "repaired", "step": 3, "after": {"rounds": 1, "step": 0}}
    log = read_log([started("fit"), judged(1, 0.5), judged(2, 0.6), judged(3, 9.0), back, judged(2, 0.4)])
    assert (log.curves["val", "log_loss"].steps, log.curves["val", "log_loss"].values) == ((1, 2), (0.5, 0.4))
    assert log.repairs == (back,)


def test_what_was_repaired_is_said_with_what_it_changed(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    assert observations.repairs(gather(run)) == ""
    made = [
        {
            "symptom": "doctor.loss_exploding",
            "what": "the training loss is 70 at epoch 1",
            "action": "learning_rate",
            "values": {"measure": True},
            "back": True,
            "rounds": 1,
            "before": {"learning_rate": 30.0},
            "after": {"learning_rate": 0.05, "rounds": 0, "step": 0},
            "helped": False,
        },
        {"symptom": "s", "what": "a row", "action": "skip_rows", "values": {"rows": [7]}, "rounds": 2, "helped": True},
        {"symptom": "s", "what": "a jump", "action": "clip_norm", "values": {"norm": 2.5}, "rounds": 3, "helped": True},
        smaller_passes(proof={"equivalent": True, "difference": 4e-8, "noise": True}),
        smaller_passes(proof={"equivalent": False, "difference": 0.2, "batch_norms": 2}),
    ]
    edit(run / "run.json", lambda record: record.update(repairs=made))
    said = observations.repairs(gather(run))
    assert "the learning rate went from 30 to 0.05; training went back to" in said
    assert "it was not enough" in said
    assert "1 training row left out (positions 7)" in said
    assert "2.500 at most" in said
    assert "steps of 32 rows were taken in passes of 16, with the same gradient (at most " in said
    assert "not the same training: 2 batch norms saw fewer rows" in said


def smaller_passes(proof: Mapping[str, object]) -> dict[str, object]:
    values = {"batch_size": 16, "step_rows": 32}
    return {"symptom": "s", "what": "full", "action": "halve_batch", "values": values, "rounds": 1, "proof": proof}


def test_a_test_score_outside_the_validation_interval_is_said(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    edit(
        run / "run.json",
        lambda r: r["intervals"]["test"].update(low=0.5, high=0.6) or r["metrics"]["test"].update(roc_auc=0.55),
    )
    assert "do not overlap: validation was too hopeful" in observations.against_test(gather(run))
    edit(run / "run.json", lambda r: r["intervals"]["test"].update(high=0.99))
    assert "may be chance" in observations.against_test(gather(run))


def test_a_lead_inside_the_interval_may_be_chance(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    assert "outside the model's interval" in observations.against_baselines(gather(run))
    edit(run / "run.json", lambda r: r["intervals"]["val"].update(low=0.1))
    assert "may be chance" in observations.against_baselines(gather(run))


def test_rough_and_unfinished_curves_are_told_apart(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    log = run / "training_log.jsonl"

    def say(values: list[float]) -> str:
        import json

        log.write_text(
            "\n".join(json.dumps(e) for e in (started("fit"), *(judged(i + 1, v) for i, v in enumerate(values))))
        )
        edit(
            run / "run.json",
            lambda r: r["model"].update(rounds_best=len(values), rounds_run=len(values), rounds_limit=99),
        )
        return observations.convergence(gather(run)) + observations.learning_rate(gather(run))

    steady = say([1.0 - 0.02 * i for i in range(30)])
    assert "still getting better at the end" in steady
    assert "a steady path" in steady
    rough = say([1.0 - 0.01 * i + 0.1 * (i % 2) for i in range(31)])
    assert "a rough path" in rough


def test_baselines_are_ranked_by_the_metrics_direction(originals: dict[str, Path]) -> None:
    scores = [float(row[2]) for row in tables.baselines_table(gather(originals["regression"])).rows]
    assert scores == sorted(scores)


def test_time_of_the_documents_themselves_is_not_counted(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    before = training_report.render(gather(run))
    edit(run / "run.json", lambda r: r["seconds"].update(report=9.9, total=77.7))
    assert training_report.render(gather(run)) == before


def test_a_target_is_no_protected_column_and_good_calibration_no_limit(copied: Callable[[str], Path]) -> None:
    from dataclasses import replace

    import numpy as np

    from trainwright.report import limits

    facts = gather(copied("binary"))
    named = tuple(replace(c, name="sex" if c.role == "target" else f"x{i}") for i, c in enumerate(facts.columns))
    assert limits.protected_columns(replace(facts, columns=named)) == ()
    assert any("Probabilities are off" in sentence for sentence in limits.limitations(facts))
    held = facts.predictions["test"]
    certain = np.column_stack([held.y == 0, held.y == 1]).astype(float)
    honest = replace(facts, predictions={"test": replace(held, probability=certain, predicted=held.y)})
    assert not any("Probabilities are off" in sentence for sentence in limits.limitations(honest))
