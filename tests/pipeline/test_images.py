"""Whole runs on images through the real command: init, train, predict, hand-off, resume from the same bytes."""

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from tests.data.pictures import COLOURS, as_folder, as_zip, encoded, files, picture
from tests.families.optional import needs_timm
from tests.pipeline.builders import Project

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Project:
    as_zip(tmp_path / "photos.zip", {f"photos/{n}": d for n, d in files(("red", "green", "blue"), each=100).items()})
    return Project(tmp_path)


def fast(**training: object) -> dict[str, object]:
    return {"threads": 1, "epochs": 3, **training}


def wanted(model: str = "cnn", **params: object) -> dict[str, object]:
    return {
        "name": "photos",
        "data": {"train_path": "photos.zip", "target": "label"},
        "architecture": {"model_type": model, "architecture_spec": params},
        "training": fast() if model == "cnn" else {"threads": 1, "rounds": 20},
        "baselines": ["dummy", "linear"],
    }


def test_init_train_predict(project: Project) -> None:
    pytest.importorskip("torch")
    done = project("init", "photos.zip", "-o", "spec.yaml")
    assert done.returncode == 0, done.stderr
    assert "model_type: cnn" in (project.folder / "spec.yaml").read_text()
    assert "target: label" in (project.folder / "spec.yaml").read_text()
    narrow = ("-o", "architecture.architecture_spec.width=8", "-o", "training.batch_size=32")
    run = project.train("-o", "training.threads=1", "-o", "training.epochs=4", *narrow)
    record = json.loads((run / "run.json").read_text())
    assert record["metrics"]["test"]["accuracy"] > 0.9
    assert {"data.images_read", "data.image_pixels", "baseline.thumbnails"} <= {f["code"] for f in record["findings"]}

    new = {f"{n}.jpg": encoded(picture(c, size=(20, 30)), "JPEG") for n, c in COLOURS.items()}
    as_folder(project.folder / "new ones", {**new, "readme.txt": b"hello", "broken.jpg": b"no image"})
    done = project("predict", run, "new ones", "-o", "scored.csv", "--json")
    assert done.returncode == 0, done.stderr
    scored = pd.read_csv(project.folder / "scored.csv")
    assert scored.columns.tolist() == ["path", "prediction", "proba_blue", "proba_green", "proba_red"]
    assert scored["path"].tolist() == ["blue.jpg", "green.jpg", "red.jpg"]
    assert scored["prediction"].tolist() == ["blue", "green", "red"]
    assert {"data.images_unreadable", "data.images_other_files"} <= {f["code"] for f in done.json["findings"]}

    done = project("predict", run, Path("new ones") / "green.jpg")
    assert done.stdout.splitlines()[1].startswith("green.jpg,green,")

    sample = pd.read_csv(run / "handoff" / "sample_predictions.csv")
    done = project("predict", run, run / "handoff" / "sample.zip", "-o", "sample.csv")
    again = pd.read_csv(project.folder / "sample.csv")
    pd.testing.assert_frame_equal(again, sample[again.columns])
    with zipfile.ZipFile(run / "handoff" / "sample.zip") as archive:
        assert archive.namelist() == sample["path"].tolist()
    stored = pd.read_parquet(run / "predictions" / "test.parquet")
    assert stored["path"].is_monotonic_increasing


def test_a_table_is_no_image(project: Project) -> None:
    project.write(wanted("lightgbm"))
    run = project.train()
    (project.folder / "rows.csv").write_text("path,image,source\n/etc/passwd,x,/\n")
    done = project("predict", run, "rows.csv")
    assert done.returncode == 3
    assert "this model was trained on images" in done.stderr


@pytest.mark.parametrize("model", ["lightgbm", "random_forest", "knn", "naive_bayes"])
def test_families_of_tables_take_thumbnails(project: Project, model: str) -> None:
    project.write(wanted(model))
    record = json.loads((project.train() / "run.json").read_text())
    assert record["metrics"]["test"]["accuracy"] > 0.9
    assert "data.image_thumbnails" in {f["code"] for f in record["findings"]}


def test_two_runs_give_the_same_bytes(project: Project) -> None:
    pytest.importorskip("torch")
    project.write(wanted("cnn", width=8))
    first = json.loads((project.train() / "run.json").read_text())
    with zipfile.ZipFile(project.folder / "photos.zip") as archive:
        archive.extractall(project.folder / "unpacked")
    spec = wanted("cnn", width=8)
    spec["data"] = {"train_path": "unpacked", "target": "label"}
    project.write(spec)
    second = json.loads((project.train() / "run.json").read_text())
    assert first["digests"]["predictions"] == second["digests"]["predictions"]
    assert first["digests"]["data"] == second["digests"]["data"]


def test_folds_of_images(project: Project) -> None:
    project.write({**wanted("lightgbm"), "cross_validation": {"folds": 3}})
    record = json.loads((project.train() / "run.json").read_text())
    assert record["cross_validation"]["mean"]["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("empty", 2, "is a folder"),
        ("photos.zip/nothing", 3, "no folder 'nothing'"),
        ("nothing.zip", 2, "no such file"),
        ("photos.zip/photos/red", 3, "lie in no class folders"),
        ("../out.zip", 2, "leads out of the spec's folder"),
    ],
)
def test_wrong_places(project: Project, path: str, code: int, words: str) -> None:
    (project.folder / "empty").mkdir()
    spec = wanted("lightgbm")
    spec["data"] = {"train_path": path, "target": "label"}
    project.write(spec)
    done = project("train", "spec.yaml")
    assert done.returncode == code, done.stderr
    assert words in done.stderr


def test_init_finds_train_and_test(project: Project) -> None:
    content = {f"set/{part}/{n}": d for part in ("train", "test") for n, d in files(each=100).items()}
    as_zip(project.folder / "set.zip", content)
    done = project("init", "set.zip")
    assert done.returncode == 0, done.stderr
    text = (project.folder / "set.yaml").read_text()
    assert "train_path: set.zip/set/train" in text
    assert "test_path: set.zip/set/test" in text


def test_a_table_needs_a_target(project: Project) -> None:
    (project.folder / "t.csv").write_text("a,b\n1,2\n")
    done = project("init", "t.csv")
    assert done.returncode == 2
    assert "a target is required" in done.stderr


def test_a_network_of_timm(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: beside the CPU build of torch, timm is imported with operators that a test defines."""
    import trainwright

    needs_timm()
    monkeypatch.chdir(project.folder)
    spec = wanted("timm/resnet18", image_size=[16, 16], layers=[1, 1, 1, 1], batch_size=32)
    project.write({**spec, "training": fast(epochs=2)})
    result = trainwright.train("spec.yaml")
    assert result.status == "done"
    assert result.metrics["val"]["accuracy"] > 0.8
    frame = trainwright.predict(result.run, "photos.zip").frame
    assert len(frame) == 300
