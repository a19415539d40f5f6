"""Runs side by side."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.folder import edit
from trainwright.apps.cli import run as run_command
from trainwright.report.compare import compare
from trainwright.report.facts import gather


def test_the_best_validation_score_is_bold_and_differences_are_listed(
    copied: Callable[[str], Path], originals: dict[str, Path]
) -> None:
    other = copied("binary")
    edit(
        other / "run.json",
        lambda r: r["metrics"]["val"].update(roc_auc=0.95) or r.update(run="better", best_params={"max_depth": 9}),
    )
    found = compare([gather(originals["binary"]), gather(other)])
    assert found.best == 1
    assert found.warnings == ()
    assert found.differences["max_depth"] == (3, 9)
    assert found.differences["learning_rate"] == (0.15, None)
    text = found.markdown()
    assert "| **better** |" in text
    assert "| binary-run |" in text
    value = json.loads(json.dumps(found.to_json()))
    assert value["best"] == "better"
    assert [row["val"] for row in value["runs"]][1] == 0.95


def test_lower_is_better_where_the_metric_says_so(copied: Callable[[str], Path], originals: dict[str, Path]) -> None:
    other = copied("regression")
    edit(other / "run.json", lambda r: r["metrics"]["val"].update(rmse=1.0))
    assert compare([gather(originals["regression"]), gather(other)]).best == 1


def test_other_data_splits_and_metrics_are_warned_of(copied: Callable[[str], Path], originals: dict[str, Path]) -> None:
    base, other = gather(originals["binary"]), copied("binary")
    edit(other / "run.json", lambda r: r["digests"].update(data="f" * 64))
    assert "data differs" in compare([base, gather(other)]).warnings[0]
    edit(other / "run.json", lambda r: r["digests"].update(data="b" * 64))
    (other / "predictions" / "val.parquet").write_bytes((other / "predictions" / "test.parquet").read_bytes())
    assert "split differs" in compare([base, gather(other)]).warnings[0]
    mixed = compare([base, gather(originals["regression"])])
    assert mixed.best is None
    assert "metrics differ" in mixed.warnings[0]
    assert "**Beware**" in mixed.markdown()


def test_the_command_writes_the_page_where_it_is_told(
    copied: Callable[[str], Path], originals: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other, target = copied("binary"), tmp_path / "both.html"
    assert run_command(["compare", str(originals["binary"]), str(other), "--html", str(target), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["html"] == str(target)
    assert "curve" not in told["runs"][0]
    assert "2 runs side by side" in target.read_text()
    assert run_command(["compare", str(originals["binary"]), str(other)]) == 0
    assert "both.html" not in capfd.readouterr().out
