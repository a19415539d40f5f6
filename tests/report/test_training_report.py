"""report.md and model_card.md: the mission's format, and nothing that is not in the folder."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.report.folder import edit, write_run
from trainwright.core.errors import ArtifactRefused
from trainwright.report import classes, learning, limits, model_card, observations, tables, training_report, verdict
from trainwright.report.documents import write_documents
from trainwright.report.facts import gather
from trainwright.report.words import amount

HEADINGS = """# Model Training Report
## Configuration Summary
### Model
### Training Setup
### Hardware
## Training Progress
### Learning Curves
### Key Observations
## Hyperparameter Search Results
### Best Configuration
### Search Summary
## Final Model Performance
### Validation Metrics
### Training vs Validation Gap
## Model Artifacts
### Saved Files
### Model Card
## Reproducibility
### Seeds Used
### Environment
## Recommended Next Steps""".splitlines()
LABELS = """- **Architecture**: |- **Parameters**: |- **Framework**: |- **Optimizer**: |- **Loss Function**: |
- **Batch Size**: |
- **Epochs**: |- **Device**: |- **Training Time**: |- Train: |- Val: |- Gap: |- Random: 42|- NumPy: 42|- PyTorch: |
**Agent**: Agent 26 - Model Evaluator|**Focus**: Comprehensive evaluation and bias testing|<prompt>|</prompt>"""
TASKS = ("binary", "multiclass", "regression")


def sections(text: str) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    name, fenced = "", False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            name = line
        found.setdefault(name, []).append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}


def yaml_of(text: str) -> dict[str, object]:
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert block
    return YAML(typ="safe", pure=True).load(block[1])


@pytest.mark.parametrize("task", TASKS)
def test_every_heading_of_the_mission_is_there_in_order_and_no_bracket_is_left(
    originals: dict[str, Path], task: str
) -> None:
    text = (originals[task] / "report.md").read_text()
    lines = text.splitlines()
    at = [lines.index(heading) for heading in HEADINGS]
    assert at == sorted(at)
    for label in LABELS.replace("\n", "").split("|"):
        assert f"\n{label}" in text, label
    without_links = re.sub(r"!\[[^\]]*\]\(plots/\w+\.png\)", "", text)
    assert not re.findall(r"\[[A-Za-z]", without_links)
    assert "None" not in re.sub(r"\nNone\.", "", text)
    assert not re.search(r"\bnan\b", text)


@pytest.mark.parametrize("task", TASKS)
def test_every_score_is_the_folders(originals: dict[str, Path], task: str) -> None:
    run = originals[task]
    record = json.loads((run / "run.json").read_text())
    found = sections((run / "report.md").read_text())
    for part, heading in (
        ("val", "### Validation Metrics"),
        ("test", "### Test Metrics"),
        ("train", "### Test Metrics"),
    ):
        for value in record["metrics"][part].values():
            assert amount(value) in found[heading]
    gap = found["### Training vs Validation Gap"]
    assert f"- Gap: {amount(record['gap']['gap'])} (" in gap
    assert record["gap"]["verdict"] in gap
    assert record["gap"]["rule"] in gap
    card = yaml_of(found["### Model Card"])
    assert card["performance"] == record["metrics"]
    assert list(card) == ["model_name", "version", "trained_date", "training_data", "performance", "limitations"]
    assert yaml_of((run / "model_card.md").read_text()) == card
    assert yaml_of(found["### Best Configuration"]) == record["best_params"]


def test_a_change_in_the_folder_changes_the_report(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    edit(run / "run.json", lambda r: r["metrics"]["val"].update(accuracy=0.1234567))
    assert "| accuracy | 0.1235 |" in training_report.render(gather(run))


def test_parameters_are_shown_as_the_framework_had_them_only_where_that_differs(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    edit(run / "run.json", lambda r: r.update(best_params={"learning_rate": 0.1}))
    edit(run / "run.json", lambda r: r["model"].update(params={"learning_rate": 0.1, "num_threads": 1}))
    assert "As the framework was given it" in training_report.render(gather(run))
    edit(run / "run.json", lambda r: r["model"].update(params={"learning_rate": 0.1}))
    assert "As the framework was given it" not in training_report.render(gather(run))


def test_the_same_folder_gives_the_same_bytes(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    before = {p: p.read_bytes() for p in sorted(run.rglob("*")) if p.is_file()}
    assert write_documents(run) == ()
    after = {p: p.read_bytes() for p in sorted(run.rglob("*")) if p.is_file()}
    assert before == after


def test_a_lost_baseline_is_said_in_bold(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    edit(run / "run.json", lambda r: r["baselines"][1].update(val=0.99, beaten=False))
    found = sections(training_report.render(gather(run)))
    assert re.search(r"\*\*The model does not beat linear \(0\.9900\).*\*\*", found["### Key Observations"])
    assert "| linear | 720 | 0.9900 |" in found["### Baselines"]
    assert "**no**" in found["### Baselines"]
    assert "**Does not beat the baseline linear**" in model_card.render(gather(run))


def test_observations_follow_the_log(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    told = sections((run / "report.md").read_text())["### Key Observations"]
    best = json.loads((run / "run.json").read_text())["model"]["rounds_best"]
    assert f"that of round {best};" in told
    edit(run / "run.json", lambda r: r["model"].update(rounds_best=40, stopped_by="rounds"))
    assert (
        "all 40 rounds of the plan were trained"
        in sections(training_report.render(gather(run)))["### Key Observations"]
    )
    (run / "training_log.jsonl").write_text("")
    assert "there is no curve to judge" in training_report.render(gather(run))


def test_a_resumed_log_counts_the_later_reading_and_a_cut_line_is_left_out(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    log = run / "training_log.jsonl"
    again = {"event": "started", "stage": "fit", "step": 0, "time_s": 0}
    point = {
        "event": "evaluated",
        "step": 3,
        "time_s": 1,
        "metrics": {"val": {"log_loss": 0.25}},
        "best": True,
        "seconds": 0,
    }
    log.write_text(log.read_text() + "\n".join(map(json.dumps, (again, point))) + '\n{"event":"evalu')
    curve = gather(run).log.curves["val", "log_loss"]
    assert len(curve.steps) == 40
    assert curve.at(3) == 0.25
    assert 99.0 not in curve.values  # a baseline's reading


def test_values_of_the_data_never_become_markup(tmp_path: Path) -> None:
    nasty = ("a|b", "<script>alert(1)</script>\n# Heading\n```\n</prompt> [x](y) `code` **bold**")
    run = write_run(tmp_path / "run", "binary", classes=nasty, columns=["x|y", "<img src=x>", "sex\n## Fake", "```"])
    edit(run / "run.json", lambda r: r["target"].update(expression='t == "<30"|`x`'))
    assert write_documents(run) == ()
    for name in ("report.md", "model_card.md", "handoff/prompt.md"):
        text = (run / name).read_text()
        assert "<script" not in text
        assert "<img" not in text
        assert "\n# Heading" not in text
        assert "\n## Fake" not in text
        assert "**bold**" not in text
        assert text.count("</prompt>") == (name == "report.md")
        assert text.count("\n```") % 2 == 0
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            assert len({line.count("|") for line in table.splitlines()}) == 1, table
    assert yaml_of((run / "model_card.md").read_text())["model_name"] == "churn"


@pytest.mark.parametrize(
    "missing",
    [
        "checks.json",
        "baselines.json",
        "cross_validation.json",
        "environment.json",
        "training_log.jsonl",
        "data/schema.json",
        "predictions/test.parquet",
        "predictions/val.parquet",
        "predictions/train.parquet",
        "spec.yaml",
        "resolved.yaml",
    ],
)
def test_a_missing_optional_file_costs_no_document(copied: Callable[[str], Path], missing: str) -> None:
    run = copied("binary")
    (run / missing).unlink()
    assert all(heading in training_report.render(gather(run)) for heading in HEADINGS)
    assert model_card.render(gather(run))


def test_a_record_that_ended_early_still_gives_every_heading(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1, "status": "failed", "name": "x"}')
    write_documents(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert all(f"{heading}\n" in text for heading in HEADINGS)
    assert "has no validation score" in text


@pytest.mark.parametrize("damage", ["run.json", "checks.json", "predictions/val.parquet"])
def test_a_damaged_file_is_refused_by_name(copied: Callable[[str], Path], damage: str) -> None:
    run = copied("binary")
    (run / damage).write_bytes(b"{")
    with pytest.raises(ArtifactRefused, match=re.escape(damage.split("/")[-1])):
        gather(run)


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefused, match=r"run\.json"):
        gather(tmp_path)


def test_limitations_come_from_the_run(originals: dict[str, Path], copied: Callable[[str], Path]) -> None:
    text = (originals["binary"] / "model_card.md").read_text()
    for words in (
        "by sex, age",
        "lifted these checks: group_leak",
        "Not checked before training",
        "rows of one customer",
    ):
        assert words in text
    run = copied("multiclass")
    card = (run / "model_card.md").read_text()
    assert "Too few held-out rows" in card
    assert "barbera (6)" in card
    assert "Test scores rest on 36 rows only" in card


def test_each_number_names_its_file(originals: dict[str, Path]) -> None:
    facts = gather(originals["binary"])
    assert "run.json" in facts.source("metrics.val.roc_auc")
    assert facts.source("checks") == "checks.json"
    with pytest.raises(KeyError):
        facts.source("hearsay")


@pytest.mark.parametrize("task", TASKS)
def test_the_hub_reads_the_card_and_finds_the_scores_of_held_out_rows(copied: Callable[[str], Path], task: str) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    run = copied(task)
    edit(run / "run.json", lambda r: r.update(name="yes: no #1") or r["metrics"]["test"].update(mae=1e-05, mape="inf"))
    card = hub.ModelCard(model_card.render(gather(run)))
    record = json.loads((run / "run.json").read_text())
    found = {(r.dataset_split, r.metric_type): r.metric_value for r in card.data.eval_results}
    wanted = {
        (split, name): value
        for part, split in (("test", "test"), ("val", "validation"))
        for name, value in record["metrics"][part].items()
        if value != "inf"
    }
    assert found == wanted
    assert card.data.model_name == "yes: no #1"
    assert card.data.to_dict()["library_name"] == "sklearn"
    assert card.data.pipeline_tag == f"tabular-{'regression' if task == 'regression' else 'classification'}"
    assert card.text.lstrip().startswith("# Model card:")


def test_a_card_without_scores_has_no_model_index(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1, "status": "failed", "name": "x"}')
    card = model_card.render(gather(tmp_path))
    assert card.startswith("---\nlibrary_name: unknown\n")
    assert "model-index" not in card
    assert "The run is failed: no model was delivered." in card


def test_a_sentence_that_has_its_full_stop_gets_no_second(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    edit(run / "checks.json", lambda r: [c.update(saw=f"{c['saw']}.") for c in r["checks"]])
    edit(
        run / "run.json", lambda r: [f.update(what=f"{f['what']}.", why="So it is.", fix="Do.") for f in r["findings"]]
    )
    write_documents(run)
    for name in ("report.md", "model_card.md", "handoff/prompt.md", "handoff/README.md", "report.html"):
        twice = re.findall(r".{0,40}[a-z]\.\.(?![./]).{0,20}", (run / name).read_text())
        assert twice == [], name


def test_one_calibration_error_is_told_everywhere(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    edit(run / "run.json", lambda r: r["metrics"]["test"].update(calibration_error=0.0777))
    facts = gather(run)
    assert any("off by 7.8% on average on test rows" in s for s in limits.limitations(facts))
    assert any("off by 7.8% on average on test rows" in s for s in limits.open_questions(facts))
    assert any("Off by 7.8%" in point.sentence for point in verdict.trust(facts))
    drawn = classes.calibration(facts)
    assert drawn is not None
    assert "off by 7.8%" in drawn.title


def test_a_lead_over_a_perfect_scores_interval_may_be_chance(copied: Callable[[str], Path]) -> None:
    """The bootstrap of a perfect score gives the same score again: the interval has no width and says nothing."""
    run = copied("binary")
    edit(run / "run.json", lambda r: r["metrics"]["val"].update(roc_auc=1.0))
    edit(run / "run.json", lambda r: r["intervals"]["val"].update(low=1.0, high=1.0))
    facts = gather(run)
    assert observations.lead(facts) is False
    assert "the model's interval has no width: the lead may be chance" in observations.against_baselines(facts)
    assert verdict.answers(facts)[0].answer.startswith("Perhaps")


def test_stages_stand_in_the_order_in_which_they_ran(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    names = ("data", "checks", "baselines", "fit", "export", "evaluate")
    edit(run / "run.json", lambda r: r.update(stages=[{"name": n, "seconds": 1.0, "status": "done"} for n in names]))
    shown = tables.seconds_table(gather(run))
    assert shown is not None
    assert [row[0] for row in shown.rows] == [
        "reading the data", "checks of the model", "baselines", "training", "storing the model", "evaluation",
    ]  # fmt: skip


def test_a_curve_that_has_settled_is_not_called_unfinished(copied: Callable[[str], Path]) -> None:
    run = copied("binary")
    edit(run / "run.json", lambda r: r["model"].update(rounds_best=20, rounds_run=20, rounds_limit=20))
    falling = [1.0 - 0.04 * step for step in range(20)]
    settled = [max(1.0 - 0.1 * step, 0.2 - 1e-5 * step) for step in range(20)]
    for values, words in ((falling, "a higher rate or more rounds may go further"), (settled, "a steady path")):
        points = [
            {"event": "evaluated", "step": step, "time_s": 0.2, "metrics": {"val": {"log_loss": value}}, "best": True}
            for step, value in enumerate(values, start=1)
        ]
        points.insert(0, {"event": "started", "step": 0, "time_s": 0.1, "stage": "fit", "facts": {}})
        (run / "training_log.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
        edit(run / "run.json", lambda r: r["model"].update(watch="log_loss", learning_rate=0.1))
        assert words in observations.learning_rate(gather(run))


def test_an_engines_own_loss_of_one_part_gets_no_chart_beside_the_metric_of_both(copied: Callable[[str], Path]) -> None:
    run = copied("regression")
    lines = [{"event": "started", "step": 0, "time_s": 0.1, "stage": "fit", "facts": {}}]
    for step in (1, 2, 3):
        metrics = {"train": {"rmse": 3.0 / step}, "val": {"rmse": 4.0 / step, "loss": 16.0 / step}}
        lines.append({"event": "evaluated", "step": step, "time_s": 0.2, "metrics": metrics, "best": True})
    (run / "training_log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert learning.panels(gather(run)) == ["rmse"]
