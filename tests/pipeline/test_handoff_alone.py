"""``handoff/`` copied alone into an empty folder: verified, loaded, and used with nothing but the runtime it names."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trainwright
from tests.pipeline.builders import ROOT, Project, command, spec, table
from trainwright.core.errors import ArtifactRefused, VerificationFailed

# Refuses every import that is neither Python's own nor of a package that requirements.txt names (or that these need).
_ONLY = """
import importlib.abc, runpy, sys
allowed, argv = set({allowed!r}), {argv!r}
class Only(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in allowed and top not in sys.stdlib_module_names and not top.startswith("_"):
            raise ModuleNotFoundError(f"{{top}} is not in the named runtime", name=top)
        return None
sys.meta_path.insert(0, Only())
sys.argv = argv
runpy.run_path(argv[0], run_name="__main__")
"""


def _closure(names: list[str]) -> set[str]:
    """Import names of packages and of what they require."""
    seen: set[str] = set()
    queue = list(names)
    while queue:
        name = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        queue += [re.split(r"[\s<>=!~;\[(]", one)[0] for one in needed if "extra ==" not in one]
    modules = {top for top, dists in metadata.packages_distributions().items() for d in dists if _norm(d) in seen}
    return modules | {"trainwright", "sitecustomize"}


def _norm(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _run_alone(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    lines = (folder / "requirements.txt").read_text().splitlines()
    names = [line.split("==")[0] for line in lines if line and not line.startswith("#")]
    code = _ONLY.format(allowed=sorted(_closure(names)), argv=["load.py", *arguments])
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.fixture
def alone(finished: Project, tmp_path: Path) -> Path:
    """The hand-off of the finished run, in an empty folder."""
    return Path(shutil.copytree(finished.only_run() / "handoff", tmp_path / "received" / "model package"))


def test_the_loader_gives_the_sample_with_nothing_but_the_named_runtime(alone: Path) -> None:
    done = _run_alone(alone)
    assert done.returncode == 0, done.stderr
    (alone / "scored.csv").write_text(done.stdout)
    scored, expected = pd.read_csv(alone / "scored.csv"), pd.read_csv(alone / "sample_predictions.csv")
    assert len(scored) == 20
    assert scored["prediction"].tolist() == expected["prediction"].tolist()
    np.testing.assert_array_equal(scored[["proba_no", "proba_yes"]], expected[["proba_no", "proba_yes"]])
    assert len((alone / "load.py").read_text().splitlines()) == 10


def test_what_is_not_named_cannot_be_imported(alone: Path) -> None:
    """The fence of the test above holds: torch is installed here and not in the runtime of boosted trees."""
    pytest.importorskip("torch")
    (alone / "load.py").write_text("import torch\n")
    done = _run_alone(alone)
    assert "torch is not in the named runtime" in done.stderr


def test_it_is_verified_alone(alone: Path) -> None:
    done = command("verify", alone, "--json", cwd=alone.parent)
    told = done.json
    assert (done.returncode, told["kind"]) == (0, "handoff")
    files = [p for p in alone.rglob("*") if p.is_file()]
    assert told["files"] == len(files) - 1  # the manifest does not list itself
    assert told["elsewhere"] > 10
    (alone / "load.py").write_text("print('mine')\n")
    with pytest.raises(VerificationFailed, match=r"load\.py: it changed"):
        trainwright.verify(alone)


def test_a_training_again_needs_the_run(alone: Path) -> None:
    with pytest.raises(ArtifactRefused, match=r"holds no run\.json"):
        trainwright.verify(alone, retrain=True)


@pytest.mark.parametrize(
    ("name", "words"), [("schema.json", "changed"), ("profile.json", "changed"), ("model/scorer.json", "changed")]
)
def test_what_is_parsed_is_checked_first(alone: Path, name: str, words: str) -> None:
    (alone / name).write_text((alone / name).read_text().replace("1", "2", 1))
    with pytest.raises(ArtifactRefused, match=words):
        trainwright.predict(alone, alone / "sample.csv")


def test_a_handoff_without_a_model_says_so(alone: Path) -> None:
    shutil.rmtree(alone / "model")
    with pytest.raises(ArtifactRefused, match="a hand-off without a model"):
        trainwright.predict(alone, alone / "sample.csv")


def test_the_manifest_has_what_the_receiver_was_promised(finished: Project) -> None:
    run = finished.only_run()
    manifest = json.loads((run / "handoff" / "manifest.json").read_text())
    assert list(manifest["provides"]) == sorted(
        [
            "Trained model artifacts", "Training logs and metrics", "Best hyperparameters", "Learning curves",
            "Model checkpoints",
        ]
    )  # fmt: skip
    for item, paths in manifest["provides"].items():
        assert paths, item
        assert all((run / path).exists() for path in paths), item
    roles = {a["path"]: a["role"] for a in manifest["artifacts"]}
    assert {roles[f"handoff/{n}"] for n in ("load.py", "requirements.txt", "metrics.json", "schema.json")} == {
        "loader", "runtime", "metrics", "schema",
    }  # fmt: skip
    assert {r for p, r in roles.items() if p.startswith("handoff/model/")} == {"model", "feature_pipeline"}
    assert manifest["runtime"]["packages"]["lightgbm"]
    assert not {"torch", "xgboost-cpu", "catboost"} & set(manifest["runtime"]["packages"])
    metrics = json.loads((run / "handoff" / "metrics.json").read_text())
    assert metrics["metrics"] == json.loads((run / "run.json").read_text())["metrics"]


def test_the_models_bytes_lie_on_the_disk_once(finished: Project) -> None:
    run = finished.only_run()
    name = "member-0/model/model.txt"
    assert (run / "handoff" / "model" / name).samefile(run / "model" / "native" / name)


def test_documents_written_again_leave_one_whole_copy(copied: Callable[[], Path]) -> None:
    run = copied()
    before = sorted(p.name for p in (run / "handoff").iterdir())
    trainwright.write_report(run)
    assert sorted(p.name for p in (run / "handoff").iterdir()) == before
    assert trainwright.verify(run).findings == ()


@pytest.mark.slow
def test_the_questions_come_from_the_evidence(tmp_path: Path) -> None:
    """Rows in the order of time, so that a column moves; a rare group; a column that looks protected."""
    rows = table(rows=900)
    rows["gender"] = np.where(np.arange(900) % 40 == 0, "x", np.where(np.arange(900) % 2, "f", "m"))
    rows["price"] = np.arange(900) / 100 + rows.x0
    rows["day"] = pd.date_range("2026-01-01", periods=900, freq="h").astype(str)
    project = Project(tmp_path)
    project.write(
        spec(data={"split": {"strategy": "time", "column": "day"}, "columns": {"ignore": []}}, training={"rounds": 10}),
        rows,
    )
    run = project.train()
    prompt = (run / "handoff" / "prompt.md").read_text()
    questions = prompt[prompt.index("**Open questions") : prompt.index("**Artifacts**")]
    assert "by gender; none was computed by group here" in questions
    assert re.search(r"Groups with fewer than 50 held-out rows: gender = x \(\d+ rows\)", questions)
    assert re.search(
        r"Drift: price is distributed otherwise in the test rows than in training \(PSI \d+\.\d\d, large\)", questions
    )
    assert "Calibration" in questions
    assert "Overfitting: the gap of" in questions
