# ruff: noqa: E501 - a table is read by its lines
"""The architect's document: what is read of it, whatever its author's style, and what is told of the rest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from trainwright.core.errors import SpecError
from trainwright.core.units import Budget, Duration
from trainwright.spec.load import LoadedSpec, load
from trainwright.spec.resolve import resolved_yaml
from trainwright.spec.schema import json_schema

DATA = "data: {train_path: train.csv, target: y}\n"
SPEC = "architecture: {artifact: plan.md}\n" + DATA
SPACE = "{learning_rate: {low: 0.01, high: 0.3, log: true}}"


@pytest.fixture
def written(folder: Path) -> Any:
    """Write a document beside a spec and load the spec."""

    def run(document: str | bytes, spec: str = SPEC, overrides: Sequence[str] = (), **options: Any) -> LoadedSpec:
        content = document if isinstance(document, bytes) else document.encode()
        (folder / "plan.md").write_bytes(content)
        (folder / "spec.yaml").write_text(spec)
        return load(folder / "spec.yaml", overrides=overrides, **options)

    return run


def fenced(text: str, language: str = "yaml") -> str:
    return f"```{language}\n{text.strip()}\n```\n"


LIGHTGBM = fenced("model_type: lightgbm")
ANY = {"architecture.model_type": "lightgbm"}

# One document a row: its text, and what the spec then says at dotted paths.
DOCUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "the form": (
        "# Plan\n\n## Architecture\n\n" + fenced("model_type: lightgbm\narchitecture_spec: {num_leaves: 63}")
        + "\n## Hyperparameter Search Space\n" + fenced("learning_rate: {low: 0.01, high: 0.3, log: true}")
        + "\n## Baselines\n" + fenced("[knn]") + "\n## Training Strategy\n" + fenced("metric: roc_auc\nrounds: 50"),
        {
            **ANY,
            "architecture.architecture_spec": {"num_leaves": 63},
            "hyperparameter_search.search_space": {"learning_rate": {"low": 0.01, "high": 0.3, "log": True}},
            "baselines": ("knn", "dummy", "linear"),
            "training.metric": "roc_auc",
            "training.rounds": 50,
        },
    ),
    "numbered headings": (
        "# 1. Overview\ntext\n\n## 2.1 ARCHITECTURE ##\n" + LIGHTGBM + "### Step 3: Training strategy\n"
        + fenced("rounds: 7") + "## IV. Baselines:\n" + fenced("- svm"),
        {**ANY, "training.rounds": 7, "baselines": ("svm", "dummy", "linear")},
    ),
    "bold labels": (
        "**Architecture**\n" + LIGHTGBM + "\n**2. Training Strategy:**\n\n" + fenced("rounds: 7") + "__Baselines__:\n"
        + fenced("- knn"),
        {**ANY, "training.rounds": 7, "baselines": ("knn", "dummy", "linear")},
    ),
    "labels in a list": (
        "1. **Architecture**:\n   ```yaml\n   model_type: lightgbm\n   parameters:\n     num_leaves: 5\n   ```\n",
        {**ANY, "architecture.architecture_spec": {"num_leaves": 5}},
    ),
    "plain labels": ("Here it is.\n\nArchitecture:\n\n" + LIGHTGBM + "Baselines:\n" + fenced("svm"), ANY),
    "underlined headings": ("Plan\n====\n\nModel Architecture\n------------------\n" + LIGHTGBM, ANY),
    "headings with emphasis and pictures": ("## 🧠 **Model Architecture** (final)\n" + LIGHTGBM, ANY),
    "a heading below the heading": ("## Architecture\n### Choice\ntext\n" + LIGHTGBM, ANY),
    "the title is no section": (
        "# Model Architecture v0.1\n\n## Deployment\n" + fenced("replicas: 3") + "## Architecture\n" + LIGHTGBM,
        {**ANY, "architecture.architecture_spec": {}},
    ),
    "a heading ends the part before it": (
        "## Architecture\n" + LIGHTGBM + "## Deployment\n" + fenced("replicas: 3"),
        {**ANY, "architecture.architecture_spec": {}},
    ),
    "only a title": ("# Architecture\n" + LIGHTGBM, ANY),
    "several blocks": (
        "## Architecture\n" + LIGHTGBM + "and\n" + fenced("num_leaves: 9", "yml") + "```python\nimport os\n```\n",
        {**ANY, "architecture.architecture_spec": {"num_leaves": 9}},
    ),
    "json": (
        "## Architecture\n" + fenced('{"model_type": "lightgbm", "architecture_spec": {"num_leaves": 4}}', "json"),
        {**ANY, "architecture.architecture_spec": {"num_leaves": 4}},
    ),
    "tables and prose around": (
        "| Architecture | why |\n|---|---|\n| x | `y` |\n\n## Architecture\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quote\n\n"
        + LIGHTGBM + "\n* item\n\n---\n\nend\n",
        ANY,
    ),
    "the spec's own form": (
        "## Architecture\n" + fenced("architecture: {model_type: lightgbm}\ntraining: {rounds: 3}\ntask: binary")
        + "## Hyperparameters\n" + fenced(f"hyperparameter_search: {{method: Random, n_trials: 9, space: {SPACE}}}"),
        {
            **ANY,
            "training.rounds": 3,
            "task": "binary",
            "hyperparameter_search.method": "random",
            "hyperparameter_search.budget": Budget(trials=9),
            "hyperparameter_search.search_space": {"learning_rate": {"low": 0.01, "high": 0.3, "log": True}},
        },
    ),
    "ranges in other words": (
        "## Architecture\n" + LIGHTGBM + "## Hyperparameter search space\n"
        + fenced(
            "learning_rate: {type: loguniform, min: 1e-3, max: 0.1, default: 0.01}\n"
            "num_leaves: {distribution: int_log, range: [8, 64]}\nboosting: {type: categorical, values: [gbdt, dart]}\n"
            "max_bin: [63, 255]"
        ),
        {
            "hyperparameter_search.search_space": {
                "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
                "num_leaves": {"low": 8, "high": 64, "log": True, "int": True},
                "boosting": {"choices": ["gbdt", "dart"]},
                "max_bin": [63, 255],
            }
        },
    ),
    "families in other words": (
        "## Architecture\n" + fenced("model: Gradient boosted trees (LightGBM)") + "## Baseline Models\n"
        + fenced("- name: Logistic Regression\n  why: simple\n- {model: RandomForestClassifier}\n- Majority class"),
        {**ANY, "baselines": ("linear", "random_forest", "dummy")},
    ),
    "baselines as a mapping": (
        "## Baselines\n" + fenced("dummy: {strategy: prior}\nK-Nearest Neighbors: why not"),
        {"baselines": ("dummy", "knn", "linear")},
    ),
    "training in full": (
        "## Training Strategy\n"
        + fenced(
            "Task: Binary Classification\ntime_budget: 120m\nearly_stopping: {patience: 5}\ncv: {folds: 3}\n"
            "split: {val: 0.3}\ncolumns: {ignore: [a]}\nclass_weight: Balanced"
        ),
        {
            "task": "binary",
            "training.time_budget": Duration(7200.0),
            "training.early_stopping.patience": 5,
            "cross_validation.folds": 3,
            "data.split.val": 0.3,
            "data.columns.ignore": ("a",),
            "training.class_weight": "balanced",
        },
    ),
    "front matter, line ends of Windows, a mark": (
        "\ufeff---\ntitle: Architecture\n---\r\n## Architecture\r\n" + LIGHTGBM.replace("\n", "\r\n"),
        ANY,
    ),
    "alternatives are not the proposal": (
        "## Architecture\n" + LIGHTGBM + "### Alternatives considered\n" + fenced("model_type: svm\nC: 3"),
        ANY,
    ),
    "what a comment hides is not read": (
        "## Architecture\n<!-- ## Architecture\n" + fenced("num_leaves: 2") + "-->\n" + LIGHTGBM,
        {**ANY, "architecture.architecture_spec": {}},
    ),
    "longer fences and tildes": (
        "## Architecture\n~~~yaml\nmodel_type: lightgbm\n~~~\n````yaml\nnum_leaves: 3\n````\n",
        {**ANY, "architecture.architecture_spec": {"num_leaves": 3}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_what_a_document_says(written: Any, document: str, expected: dict[str, Any]) -> None:
    loaded = written(document)
    assert {path: _at(loaded.spec, path) for path in expected} == expected
    assert loaded.document == document.replace("\ufeff", "")
    for path in expected:
        origins = {o for p, o in loaded.origins.items() if p == path or p.startswith(f"{path}.")}
        assert any(o.startswith("document, line ") for o in origins) or _at(loaded.spec, path) == {}, path


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = getattr(value, part)
    return value


NOTHING = {
    "empty": ("", "has no fenced yaml block"),
    "prose": ("# Architecture\n\nUse LightGBM with 63 leaves.\n", "has no fenced yaml block"),
    "only code": ("## Architecture\n" + fenced("x = 1", "python") + fenced("a: 1", ""), "no fenced block is marked"),
    "other headings": ("## Overview\n" + fenced("model_type: lightgbm"), "they stand under 'Overview'"),
    "no heading": (LIGHTGBM, "they stand under 'no heading'"),
    "not closed": ("## Architecture\n```yaml\nmodel_type: lightgbm\n", "plan.md:2:1: the block that begins here"),
    "broken yaml": ("## Architecture\n" + fenced("a: [1"), "plan.md:3:4: a bracket"),
    "broken yaml, indented": ("1. **Architecture**\n\n   ```yaml\n   a: b: c\n   ```\n", "plan.md:4:8: a ': '"),
    "a list": ("## Architecture\n" + fenced("[1, 2]"), "plan.md:3:1: a mapping of keys is needed"),
    "a tag": ("## Architecture\n" + fenced("a: !!python/object:os.system x"), "plan.md:3:4: the tag"),
    "twice in a block": ("## Architecture\n" + fenced("a: 1\na: 2"), "plan.md:4:1: the key is written twice"),
    "an alias bomb": (
        "## Architecture\n" + fenced("a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
        )),
        "aliases counted as written out",
    ),
    "binary": (b"\x00\x01", "a NUL character"),
    "latin-1": ("## Architecture\nGröße\n".encode("latin-1"), "is not UTF-8"),
    "too large": (b"x" * 1_000_001, "larger than 1000000 bytes"),
    "many blocks": ("## Architecture\n" + LIGHTGBM * 101, "more than 100 blocks"),
    "not filled in": ("## Architecture\n" + fenced('model_type: "[Model family]"'), "plan.md:3:13: architecture.model_type"),
    "a secret": ("## Architecture\n" + fenced("api_key: abc"), "plan.md:3:10: architecture.architecture_spec.api_key"),
    "code": ("## Architecture\n" + fenced("model_type: ./evil.py:Net"), "plan.md:3:13: architecture.model_type: "),
    "a wrong value": ("## Training\n" + fenced("rounds: many"), "plan.md:3:9: training.rounds: a whole number"),
    "a wrong range": ("## Search Space\n" + fenced("a: {min: 3, max: 1}"), "plan.md:3:4: hyperparameter_search.search_space.a"),
    "contradictions": (
        "## Architecture\n" + LIGHTGBM + fenced("model: svm"), "plan.md:6:8: architecture.model_type: 'svm' here, 'lightgbm'"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("document", "words"), NOTHING.values(), ids=NOTHING.keys())
def test_what_a_document_may_not_be(written: Any, document: str | bytes, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        written(document)
    assert words in caught.value.message
    assert "plan.md" in caught.value.message


def test_a_document_without_blocks_shows_the_form(written: Any) -> None:
    with pytest.raises(SpecError, match=r"spec\.yaml:1:26: architecture\.artifact") as caught:
        written("nothing")
    for part in ("## Architecture", "model_type: lightgbm", "Hyperparameter Search Space", "Training Strategy"):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("artifact", "words"),
    [
        ("plam.md", "no such file: 'plam.md'. Did you mean plan.md?"),
        ("../plan.md", "leads out of the spec's folder"),
        ("shards", "is a folder"),
        ("https://x.org/plan.md", "is a URL"),
        ("3", "a text is needed"),
    ],
)
def test_where_a_document_may_lie(written: Any, artifact: str, words: str) -> None:
    with pytest.raises(SpecError, match=r"architecture\.artifact") as caught:
        written("", SPEC.replace("plan.md", artifact))
    assert words in caught.value.message


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "plan.md"
    outside.write_text("## Architecture\n" + LIGHTGBM)
    (folder / "plan.md").symlink_to(outside)
    (folder / "spec.yaml").write_text(SPEC)
    with pytest.raises(SpecError, match="leads out"):
        load(folder / "spec.yaml")


def _codes(loaded: LoadedSpec) -> dict[str, str]:
    return {finding.where: finding.code for finding in loaded.findings}


def test_the_spec_wins_and_each_disagreement_is_told(written: Any) -> None:
    document = (
        "## Architecture\n" + fenced("model_type: LightGBM\nnum_leaves: 63\nmax_bin: 63")
        + "## Training Strategy\n" + fenced("time_budget: 60m\nmetric: f1\nrounds: 9\nearly_stopping: {patience: 3}")
    )  # fmt: skip
    spec = SPEC + "training: {time_budget: 1h, metric: roc_auc, early_stopping: null}\n"
    spec = spec.replace(
        "{artifact: plan.md}", "{artifact: plan.md, architecture_spec: {num_leaves: 7}, model_type: lightgbm}"
    )
    loaded = written(document, spec)
    assert loaded.spec.architecture.architecture_spec == {"num_leaves": 7, "max_bin": 63}
    assert loaded.spec.training.metric == "roc_auc"
    assert loaded.spec.training.early_stopping is None
    assert _codes(loaded) == {
        "architecture.architecture_spec.num_leaves": "document.disagrees",
        "training.metric": "document.disagrees",
        "training.early_stopping.patience": "document.disagrees",
    }
    told = {f.where: f.what for f in loaded.findings}
    assert told["training.metric"] == "the spec says 'roc_auc', the document 'f1' (plan.md:10:9)"
    assert loaded.origins["training.rounds"] == "document, line 11"
    assert loaded.origins["training.metric"] == "given"


def test_an_override_wins_as_well(written: Any) -> None:
    loaded = written("## Training Strategy\n" + fenced("rounds: 9"), overrides=["training.rounds=5"])
    assert loaded.spec.training.rounds == 5
    assert loaded.origins["training.rounds"] == "override"
    assert _codes(loaded) == {"training.rounds": "document.disagrees"}


def test_what_the_spec_settles_is_no_contradiction(written: Any) -> None:
    document = "## Training Strategy\n" + fenced("rounds: 9") + fenced("rounds: 8")
    assert written(document, overrides=["training.rounds=8"]).spec.training.rounds == 8
    with pytest.raises(SpecError, match=r"plan\.md:6:9: training\.rounds: 8 here, 9 on line 3"):
        written(document)


def test_values_of_another_model_are_left_out(written: Any) -> None:
    document = (
        "## Architecture\n"
        + fenced("model_type: lightgbm\nnum_leaves: 9\nmetric: f1")
        + ("## Search space\n" + fenced("num_leaves: [3, 5]"))
    )
    loaded = written(document, SPEC.replace("{artifact", "{model_type: svm, artifact"))
    assert loaded.spec.architecture.architecture_spec == {}
    assert loaded.spec.hyperparameter_search is None
    assert loaded.spec.training.metric == "f1"
    assert _codes(loaded)["architecture.model_type"] in ("document.other_model", "document.disagrees")
    assert {"document.other_model", "document.disagrees"} <= {f.code for f in loaded.findings}


def test_a_parameter_is_fixed_or_searched(written: Any) -> None:
    document = (
        "## Architecture\n"
        + fenced("model_type: lightgbm\nmax_bin: 9\nnum_leaves: 9")
        + ("## Search space\n" + fenced("max_bin: [3, 5]\nmax_depth: [3, 4]\nnum_leaves: [7, 8]"))
    )
    spec = SPEC.replace("{artifact", "{architecture_spec: {max_depth: 6}, artifact")
    loaded = written(document, spec)
    assert loaded.spec.architecture.architecture_spec == {"max_depth": 6}
    assert loaded.spec.hyperparameter_search is not None
    assert loaded.spec.hyperparameter_search.search_space == {"max_bin": [3, 5], "num_leaves": [7, 8]}
    assert [f.code for f in loaded.findings] == ["document.fixed_or_searched"] * 3
    off = written(document, spec + "hyperparameter_search: null\n")
    assert off.spec.hyperparameter_search is None
    assert off.spec.architecture.architecture_spec == {"max_depth": 6, "max_bin": 9, "num_leaves": 9}


@pytest.mark.parametrize(
    "text", ["From Agent 24", "'[From Agent 24]'", "[From Agent 24]", "document", "see the architect's document"]
)
def test_the_form_leaves_the_space_to_the_document(written: Any, text: str) -> None:
    spec = SPEC + f"hyperparameter_search: {{method: Grid, search_space: {text}}}\n"
    loaded = written("## Architecture\n" + LIGHTGBM + "## Search space\n" + fenced("num_leaves: [3, 5]"), spec)
    assert loaded.spec.hyperparameter_search is not None
    assert loaded.spec.hyperparameter_search.search_space == {"num_leaves": [3, 5]}
    with pytest.raises(SpecError, match="names a document, and there is none"):
        written("", spec.replace("artifact: plan.md", ""))


@pytest.mark.parametrize("text", ['"num_leaves: 7"', '"{num_leaves: 7}"', '"num_leaves: 7, max_bin: 63"'])
def test_a_specification_within_quotes(written: Any, text: str) -> None:
    loaded = written(
        "## Architecture\n" + LIGHTGBM, SPEC.replace("{artifact", f"{{architecture_spec: {text}, artifact")
    )
    assert loaded.spec.architecture.architecture_spec["num_leaves"] == 7
    with pytest.raises(SpecError, match="a mapping is needed, got 'a tree"):
        written("## Architecture\n" + LIGHTGBM, SPEC.replace("{artifact", "{architecture_spec: a tree, artifact"))


def test_a_document_does_not_rule_the_machine_the_files_or_the_checks(written: Any) -> None:
    document = "## Architecture\n" + LIGHTGBM + "## Training Strategy\n" + fenced(
        "device: cuda\nthreads: 64\ndata: {train_path: /etc/passwd, feature_pipeline: 'x.py:f', target: a}\nseed: 1\n"
        "checks: {overfit_batch: false}\naugmentation: none"
    ) + "## Search\n" + fenced("x: 1") + "## Search Space\n" + fenced(
        "storage: postgresql://u@h/d\nparallel: 99\nhyperparameter_search: {storage: 'a://b', deterministic: false}"
    )  # fmt: skip
    loaded = written(document)
    spec = loaded.spec
    assert spec.training.device == "auto"
    assert spec.training.threads is None
    assert (spec.seed, spec.checks, spec.data.feature_pipeline) == (42, {}, None)
    assert spec.data.train_path == "train.csv"
    unread = [f.what for f in loaded.findings if f.code == "document.unread"]
    assert len(unread) == 12
    assert [f.where for f in loaded.findings if f.code != "document.unread"] == ["data.target"]


def test_the_resolved_spec_names_the_lines(written: Any, folder: Path) -> None:
    loaded = written("## Architecture\n" + LIGHTGBM + "## Baselines\n" + fenced("- knn"))
    text = resolved_yaml(loaded, {"architecture.artifact": (None, "read")})
    assert "model_type: lightgbm  # document, line 3" in text
    assert "baselines: [knn, dummy, linear]  # document, line 7" in text
    (folder / "again.yaml").write_text(text)
    again = load(folder / "again.yaml").spec
    assert again.baselines == ("knn", "dummy", "linear")
    assert again.architecture.artifact is None


def test_a_stored_copy_is_read_in_place_of_the_document(written: Any, folder: Path) -> None:
    written("## Architecture\n" + LIGHTGBM)
    (folder / "copy.md").write_text("## Architecture\n" + fenced("model_type: svm"))
    (folder / "plan.md").unlink()
    loaded = load(folder / "spec.yaml", document=folder / "copy.md")
    assert loaded.spec.architecture.model_type == "svm"


def test_the_document_may_name_the_target(written: Any) -> None:
    document = "## Architecture\n" + fenced("model_type: lightgbm\ntarget: b")
    loaded = written(document, SPEC.replace(", target: y", ""), columns=lambda path: ["a", "y"])
    assert loaded.spec.data.target == "b"
    assert loaded.origins["data.target"] == "document, line 4"


def test_a_usual_name_is_taken_for_the_target_and_told(folder: Path) -> None:
    spec = {"data": {"train_path": "train.csv"}}
    loaded = load(spec, base=folder, columns=lambda path: ["a", "Label", "b"])
    assert loaded.spec.data.target == "Label"
    assert loaded.origins["data.target"] == "the only column called target or label or y or class"
    assert [f.code for f in loaded.findings] == ["spec.target_found"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["a", "b"], "Write under data: target: and one of the columns a, b"),
        (["y", "Class"], "Write under data: one of target: y, target: Class"),
        ([], "Write for example `target: churned`"),
        ([f"c{n}" for n in range(30)], "c19 and 10 more"),
    ],
)
def test_without_a_target_the_candidates_are_named(folder: Path, columns: list[str], words: str) -> None:
    (folder / "spec.yaml").write_text("data:\n  train_path: train.csv\n")
    with pytest.raises(SpecError, match=r"spec\.yaml:1:1: data\.target: the target is missing") as caught:
        load(folder / "spec.yaml", columns=lambda path: columns)
    assert words in caught.value.message


def test_a_pipeline_file_means_its_build_function(folder: Path) -> None:
    loaded = load({"data": {"train_path": "train.csv", "target": "y", "feature_pipeline": "features.py"}}, base=folder)
    assert loaded.spec.data.feature_pipeline == "features.py:build"


def test_the_schema_for_editors_takes_the_form() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(json_schema()).validate
    check(
        {
            "architecture": {"artifact": "plan.md", "architecture_spec": "num_leaves: 7"},
            "data": {"train_path": "train.csv"},
            "hyperparameter_search": {"method": "Grid", "search_space": "[From Agent 24]"},
        }
    )
    with pytest.raises(jsonschema.ValidationError):
        check({"hyperparameter_search": {"search_space": 3}})
