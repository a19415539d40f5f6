# ruff: noqa: E501 - a table is read by its lines
"""Specs that must load, and what they load to."""

import math
from collections.abc import Iterable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.spec.conftest import Loader
from trainwright.core.errors import SpecError
from trainwright.core.units import Budget, Duration
from trainwright.spec.load import LoadedSpec, Mistake, load
from trainwright.spec.resolve import resolved_yaml
from trainwright.spec.schema import json_schema

DATA = "data: {train_path: train.csv, target: y}\n"
MISSION = """
architecture:
  model_type: "LightGBM"
  architecture_spec: {num_leaves: 63}

data:
  train_path: "train.csv"
  val_path: "val.csv"
  target: y
  feature_pipeline: "features.py:build"

training:
  framework: "PyTorch"
  device: "CUDA"
  time_budget: "2h"

hyperparameter_search:
  method: "Bayesian"
  budget: "50 trials"
  search_space: {learning_rate: {low: 0.01, high: 0.3, log: true}}
"""

GOOD = {
    "smallest": DATA,
    "the mission's form filled in": MISSION,
    "budget as time": MISSION.replace("50 trials", "1h"),
    "any case": DATA + "task: BINARY\ntraining: {framework: SKLearn, device: Cpu, class_weight: Balanced}\n",
    "another spelling": DATA + "training: {framework: scikit-learn}\n",
    "comments": "# a\n" + DATA + "seed: 1 # b\n",
    "document mark": "---\n" + DATA + "...\n",
    "yaml 1.2 directive": "%YAML 1.2\n---\n" + DATA,
    "exponent": DATA + "training: {early_stopping: {min_delta: 1e-3}}\n",
    "no is a text": "data: {train_path: train.csv, target: no}\n",
    "octal looking": DATA + "seed: 010\n",
    "seconds": DATA + "training: {time_budget: 90}\n",
    "long duration": DATA + "training: {time_budget: 1h30m, checkpoint_every: 2 minutes}\n",
    "anchors": DATA + "cross_validation: &cv {folds: 3}\nhandoff: {to: &to me, focus: *to}\n",
    "glob": "data: {train_path: 'shards/*.csv', target: y}\n",
    "inner dots": "data: {train_path: shards/../train.csv, target: y}\n",
    "files for all": "data: {train_path: train.csv, val_path: val.csv, test_path: test.csv, target: y}\n",
    "test file and split": "data: {train_path: train.csv, test_path: test.csv, target: y, split: {val: 0.3}}\n",
    "no test": "data: {train_path: train.csv, target: y, split: {val: 0.3, test: 0}}\n",
    "group split": "data: {train_path: train.csv, target: y, split: {strategy: group, column: a}}\n",
    "group from columns": "data: {train_path: train.csv, target: y, split: {strategy: group}, columns: {group: a}}\n",
    "time is a date": "data: {train_path: train.csv, target: y, columns: {time: a, datetime: [a]}}\n",
    "kinds": "data: {train_path: train.csv, target: y, columns: {numeric: [a], text: [b], ignore: [c]}}\n",
    "missing values": 'data: {train_path: train.csv, target: y, missing_values: ["?", NA, ""]}\n',
    "comparison": "data: {train_path: train.csv, target: 'readmitted == \"<30\"'}\n",
    "comparison with a number": "data: {train_path: train.csv, target: a == 1}\n",
    "column in brackets": "data: {train_path: train.csv, target: '[y]', columns: {ignore: ['[id]']}}\n",
    "no early stopping": DATA + "training: {early_stopping: null}\n",
    "import path": DATA + "architecture: {model_type: sklearn.ensemble.AdaBoostClassifier}\n",
    "own model": DATA + "architecture: {model_type: ./features.py:build}\n",
    "own data": "data: {train_path: ./mine.py:TrainSet, val_path: mine.py:TestSet, test_path: mine.py:ready, target: y}\n",
    "steps": "data: {train_path: train.csv, target: y, feature_pipeline: {steps: [scale]}}\n",
    "skops": "data: {train_path: train.csv, target: y, feature_pipeline: pipeline.skops}\n",
    "search": DATA + "hyperparameter_search: {method: Random, budget: {trials: 5, time: 1m}, search_space: {a: [x, 1]}}\n",
    "grid": DATA + "hyperparameter_search: {method: grid, search_space: {a: {low: 1, high: 9, int: true, log: true}}}\n",
    "lifted check": DATA + "checks: {overfit_batch: false}\n",
    "tracking": DATA + "tracking: [jsonl]\n",
    "tracking names": DATA + "tracking: [mlflow]\n",
    "tracking options": DATA + "tracking: {MLflow: {uri: 'http://h:5000', register: m}, wandb: null, tensorboard: {}}\n",
    "cross validation": DATA + "cross_validation: {folds: 10, strategy: stratified, final: ensemble}\n",
    "free parameters": DATA + "architecture: {architecture_spec: {a: [1, 2], b: {c: .inf}, token_pattern: x}}\n",
}  # fmt: skip


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_a_good_spec_loads_and_resolves_to_itself(load_text: Loader, text: str) -> None:
    loaded = load_text(text)
    again = load_text(resolved_yaml(loaded, {}), name="resolved.yaml")
    assert again.spec == loaded.spec.model_copy(update={"name": loaded.name})
    assert loaded.text == text


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_the_schema_accepts_good_specs(text: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(YAML(typ="safe", pure=True).load(text))


def test_values_of_the_mission_form(load_text: Loader) -> None:
    spec = load_text(MISSION).spec
    assert spec.training.framework == "pytorch"
    assert spec.training.device == "cuda"
    assert spec.training.time_budget == Duration(7200.0)
    assert spec.hyperparameter_search is not None
    assert spec.hyperparameter_search.method == "bayesian"
    assert spec.hyperparameter_search.budget == Budget(trials=50)


def test_yaml_traps_have_their_yaml_12_values(load_text: Loader) -> None:
    text = DATA + (
        "architecture:\n  architecture_spec: {a: 1e-3, b: no, c: 010, d: 12:30:45, e: 0x1F, f: 0o17, g: .5, h: ~,\n"
        '    i: "1", j: 1_000, k: 2026-01-01, l: -.inf, m: +1.5E+3, n: True, o: yes, p: "\\ud83d\\ude00"}\n'
    )
    assert load_text(text).spec.architecture.architecture_spec == {
        "a": 0.001, "b": "no", "c": 10, "d": "12:30:45", "e": 31, "f": 15, "g": 0.5, "h": None,
        "i": "1", "j": "1_000", "k": "2026-01-01", "l": -math.inf, "m": 1500.0, "n": True, "o": "yes", "p": "😀",
    }  # fmt: skip


@pytest.mark.parametrize("content", ["\ufeff" + DATA, DATA.replace("\n", "\r\n"), DATA + "\r\n# x\r\n"])
def test_marks_and_line_ends_of_other_systems(load_text: Loader, content: str) -> None:
    assert load_text(content).spec.data.target == "y"


@pytest.mark.parametrize("name", ["spec.json", "spec.yaml"])
def test_json_with_tabs(load_text: Loader, name: str) -> None:
    loaded = load_text('{\n\t"data":\t{"train_path": "train.csv", "target": "y"},\n\t"seed": 7\n}', name=name)
    assert loaded.spec.seed == 7
    with pytest.raises(SpecError, match=r":3:10: seed: a whole number"):
        load_text('{\n\t"data":\t{"train_path": "train.csv", "target": "y"},\n\t"seed": "7"\n}', name=name)


def test_overrides_and_origins(load_text: Loader) -> None:
    text = DATA + "baselines: [dummy, linear]\nseed: 3\narchitecture: {architecture_spec: {a: 1}}\n"
    loaded = load_text(
        text,
        overrides=[
            "training.time_budget=2m",
            "baselines.1=knn",
            "baselines.2=svm",
            "architecture.architecture_spec.b=1e-3",
            'data.target=readmitted == "<30"',
            "data.split={val: 0.1, test: 0}",
            "handoff.focus=one: two",
        ],
    )
    spec, origins = loaded.spec, loaded.origins
    assert spec.training.time_budget == Duration(120.0)
    assert spec.baselines == ("dummy", "knn", "svm")
    assert spec.architecture.architecture_spec == {"a": 1, "b": 0.001}
    assert spec.data.target == 'readmitted == "<30"'
    assert spec.handoff.focus == "one: two"
    assert spec.data.split is not None
    assert spec.data.split.val == 0.1
    assert origins["seed"] == "given"
    assert origins["training.time_budget"] == origins["baselines"] == origins["data.split.val"] == "override"
    assert origins["architecture.architecture_spec.a"] == "given"
    assert origins["architecture.architecture_spec.b"] == "override"
    assert origins["training.metric"] == origins["data.split.strategy"] == "default"


def test_an_override_can_mend_a_mistake(load_text: Loader) -> None:
    assert load_text(DATA + "training: {time_budget: -1h}\n", overrides=["training.time_budget=1h"])


def test_a_mapping(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"data": {"train_path": Path("train.csv"), "target": "y", "columns": {"ignore": ("a",)}}, "seed": 5}
    monkeypatch.chdir(folder)
    loaded = load(given)
    assert loaded.base == folder
    assert loaded.resolve_path("train.csv") == folder / "train.csv"
    assert loaded.name == "run"
    assert load(_written(folder, loaded.text)).spec == loaded.spec
    assert given["seed"] == 5


def _written(folder: Path, text: str) -> Path:
    (folder / "again.yaml").write_text(text)
    return folder / "again.yaml"


def test_a_mapping_is_judged_like_a_file(folder: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load({"data": {"train_path": "trian.csv", "target": 3}, "seed": "4"}, base=folder)
    assert "Did you mean train.csv?" in caught.value.message
    assert len(caught.value.findings) == 3
    cyclic: dict[str, object] = {}
    cyclic["data"] = cyclic
    for bad in (cyclic, {"data": object()}, {1: 2}, {"seed": 10**400}):
        with pytest.raises(SpecError):
            load(bad, base=folder)  # type: ignore[arg-type]


def test_frames_need_no_files() -> None:
    assert load({"data": {"target": "y"}}, frames=True).spec.data.train_path is None
    with pytest.raises(SpecError, match="target"):
        load({"data": {}}, frames=True)


def test_judges_speak_with_everything_else(load_text: Loader) -> None:
    def judge(loaded: LoadedSpec) -> Iterable[Mistake]:
        yield loaded.mistake("architecture.architecture_spec.lr", "too hot", "Lower it")
        yield loaded.mistake("training.rounds", "judged again")

    def stern(loaded: LoadedSpec) -> Iterable[Mistake]:
        raise SpecError("no such family")

    text = DATA + "training: {rounds: many}\narchitecture:\n  architecture_spec:\n    lr: 3\n"
    with pytest.raises(SpecError) as caught:
        load_text(text, judges=[judge, stern])
    message = caught.value.message
    assert "spec.yaml:5:9: architecture.architecture_spec.lr: too hot. Lower it." in message
    assert "no such family" in message
    assert "judged again" not in message
    assert "a whole number is needed, got 'many'" in message


def test_a_mistake_takes_the_nearest_ancestors_place(load_text: Loader) -> None:
    loaded = load_text(DATA + "training:\n  metric: auc\n")
    assert loaded.mistake("training.rounds", "x").place.line == 2
    assert loaded.mistake("handoff.to", "x").place.line == 1


def test_resolved_holds_settled_values_and_origins(load_text: Loader) -> None:
    loaded = load_text(DATA + "task: auto\ntraining: {metric: roc_auc}\n", overrides=["seed=1"])
    text = resolved_yaml(
        loaded,
        {
            "task": ("binary", "inferred"),
            "training.metric": ("roc_auc", "default for the task"),
            "architecture.architecture_spec.learning_rate": (1e-5, "family default"),
            "data.split.strategy": ("stratified", "chosen"),
            "training.class_weight": ("none", "decided"),
        },
    )
    assert "task: binary  # inferred\n" in text
    assert "metric: roc_auc  # given\n" in text
    assert "seed: 1  # override (-o)\n" in text
    assert "class_weight: none  # decided\n" in text
    assert "learning_rate: 1e-05  # family default\n" in text
    again = load_text(text, name="resolved.yaml").spec
    assert again.task == "binary"
    assert again.architecture.architecture_spec == {"learning_rate": 1e-5}
    assert again.data.split is not None
    assert again.data.split.strategy == "stratified"
    assert again.data.split.val == 0.2
    with pytest.raises(ValueError, match="not part of the spec language"):
        resolved_yaml(loaded, {"training.optimiser": ("adam", "x")})


def test_test_file_sets_the_defaults_of_the_split(load_text: Loader) -> None:
    given = load_text(GOOD["test file and split"]).spec.data
    assert given.split is not None
    assert given.split.test == 0
    files = load_text("data: {train_path: train.csv, test_path: test.csv, target: y}\n").spec.data
    assert files.holdout is not None
    assert (files.holdout.val, files.holdout.test) == (0.2, 0)
    assert load_text(GOOD["files for all"]).spec.data.holdout is None


@pytest.mark.parametrize(
    ("stem", "name"), [("My spec (2)", "my-spec-2"), ("churn", "churn"), ("__", "run"), ("a.b", "a.b")]
)
def test_the_name_comes_from_the_file(load_text: Loader, stem: str, name: str) -> None:
    assert load_text(DATA, name=f"{stem}.yaml").name == name
    assert load_text(DATA + "name: Given\n", name=f"{stem}.yaml").name == "Given"


def test_the_schema_describes_every_key() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    sections = schema["$defs"]
    assert isinstance(sections, dict)
    for section in (*sections.values(), schema):
        assert section["additionalProperties"] is False  # type: ignore[index]
        for key, value in section["properties"].items():  # type: ignore[index]
            assert "description" in value or "$ref" in value, key
