"""A table of broken specs: each ends in exit 2 with a message that names the line, the cause and the fix."""

# ruff: noqa: E501 - a table is read by its lines
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.spec.conftest import Loader
from trainwright.core.errors import SpecError
from trainwright.spec.load import load

DATA = "data: {train_path: train.csv, target: y}\n"  # line 1 of most specs


@dataclass(frozen=True)
class Broken:
    """One broken spec and what its message must hold."""

    id: str
    text: str | bytes
    expected: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    name: str = "spec.yaml"


def broken(
    id: str, text: str | bytes, *expected: str, overrides: tuple[str, ...] = (), name: str = "spec.yaml"
) -> Broken:
    return Broken(id, text, expected, overrides, name)


ALIAS_BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)

TEXTS = [
    broken("empty", "", ":1:1:", "the spec is empty", "trainwright init"),
    broken("blank", "  \n\n \n", ":1:1:", "empty"),
    broken("only comments", "# nothing\n# here\n", ":1:1:", "only comments"),
    broken("list", "- a\n- b\n", ":1:1:", "must be a mapping", "got a list", "Begin with data:"),
    broken("scalar", "hello\n", ":1:1:", "must be a mapping", "'hello'"),
    broken("tab", "data:\n\ttarget: y\n", ":2:1:", "a tab", "Indent with spaces"),
    broken("two documents", DATA + "---\nseed: 1\n", ":2:1:", "a second document", "one spec"),
    broken("python tag", DATA + "seed: !!python/object/apply:os.system [ls]\n", ":2:7:", "tag", "Remove the tag"),
    broken("own tag", DATA + "name: !env HOME\n", ":2:7:", "tag '!env'"),
    broken("long tag", DATA + "name: " + "!" * 900_000, ":2:", "a tag"),
    broken("alias bomb", ALIAS_BOMB, ":6:", "more than 100000 values", "Shorten"),
    broken("alias in itself", "data: &d\n  x: *d\n", ":2:6:", "inside what it refers to"),
    broken("alias to nothing", DATA + "name: *x\n", ":2:7:", "*x refers to nothing", "'*x'"),
    broken("deep flow", DATA + "checks: " + "[" * 400_000, ":2:", "levels deep"),
    broken("deep block", "".join(" " * i + "a:\n" for i in range(300)), "levels deep"),
    broken("deep json", '{"a":' * 100_000, "levels deep", name="spec.json"),
    broken("too large", b"#" * 1_000_001, "larger than 1000000 bytes"),
    broken("ten megabytes of nesting", b"[" * 10_000_000, "larger than 1000000 bytes"),
    broken("not utf-8", b"name: caf\xe9\n", ":1:10:", "not UTF-8", "Save the file as UTF-8"),
    broken("utf-16", DATA.encode("utf-16"), "UTF-16", "Save it as UTF-8"),
    broken("utf-16 without mark", DATA.encode("utf-16-le"), "NUL", "UTF-8"),
    broken("control character", DATA + "name: a\x01b\n", ":2:8:", "U+0001"),
    broken("yaml 1.1", "%YAML 1.1\n---\n" + DATA, ":1:1:", "YAML 1.1", "Remove the directive"),
    broken("open quote", DATA + "name: 'x\n", ":2:7:", "a quote is not closed"),
    broken("open bracket", DATA + "export: [native\nseed: 1\n", ":2:9:", "not closed", "]"),
    broken("colon in value", DATA + "name: a: b\n", ":2:8:", "a ': '", "quotes"),
    broken("indentation", "data:\n  target: y\n train_path: train.csv\n", ":3:2:", "Indent"),
    broken("at sign", DATA + "name: @x\n", ":2:7:", "cannot start", "quotes"),
    broken("escape", DATA + 'name: "a\\q"\n', ":2:10:", "escape", "single quotes"),
    broken("duplicate key", DATA + "seed: 1\nname: x\nseed: 2\n", ":4:1:", "seed", "written twice", "line 2"),
    broken("duplicate in json", '{"seed": 1,\n "seed": 2}', ":2:2:", "twice", "line 1", name="spec.json"),
    broken("nan in json", '{"seed": NaN}', "NaN", name="spec.json"),
    broken("json comma", '{"seed": 1,\n}', ":2:1:", "JSON", name="spec.json"),
    broken("number as key", DATA + "1: x\n", ":2:1:", "a key must be a text", "1"),
    broken("merge key", DATA + "x: &x {a: 1}\ntraining: {<<: *x}\n", ":3:12:", "merge keys"),
    broken("unknown key", DATA + "trainnig: {}\n", ":2:1:", "unknown key 'trainnig'", "Did you mean training?"),
    broken("wrong level", DATA + "time_budget: 1h\n", ":2:1:", "training.time_budget"),
    broken("wrong section", DATA + "training:\n  target: y\n", ":3:3:", "under data: data.target"),
    broken("word of another tool", DATA + "training: {n_jobs: 3}\n", ":2:12:", "Write it as training.threads"),
    broken("unknown anywhere", DATA + "zzz: 1\n", ":2:1:", "Known here: name, seed"),
    broken("true for a number", DATA + "seed: true\n", ":2:7:", "a whole number is needed, got true"),
    broken("float for an int", DATA + "seed: 3.5\n", ":2:7:", "a whole number is needed, got 3.5", "seed: 42"),
    broken("1.0 for an int", DATA + "training: {rounds: 100.0}\n", ":2:20:", "Write rounds: 100"),
    broken("quoted number", "data: {train_path: train.csv, target: y, split: {val: '2e-1'}}\n", ":1:55:", "without quotes: 2e-1"),
    broken("underscores", DATA + "training: {rounds: 1_000}\n", ":2:20:", "1000"),
    broken("percent", "data: {train_path: train.csv, target: y, split: {val: 20%}}\n", ":1:55:", "fraction: 0.2"),
    broken("number for a text", DATA + "name: 2026\n", ":2:7:", "a text is needed", 'quotes: "2026"'),
    broken("number in columns", "data: {train_path: train.csv, target: y, columns: {ignore: [1]}}\n", ".ignore.0:", '"1"'),
    broken("no as a boolean", DATA + "checks: {drift: no}\n", ":2:17:", "true or false", "Write true/false"),
    broken("off for a section", DATA + "training: {early_stopping: off}\n", ":2:28:", "Write null"),
    broken("false for a section", DATA + "training: {early_stopping: false}\n", ":2:28:", "Write null"),
    broken("section is empty", DATA + "training:\n", ":2:", "a mapping is needed, got null", "remove the key"),
    broken("section is text", "data: train.csv\n", ":1:7:", "data: a mapping is needed, got 'train.csv'"),
    broken("text for a list", DATA + "baselines: dummy\n", ":2:12:", "a list is needed", "baselines: [dummy]"),
    broken("unknown choice", DATA + "task: binry\n", ":2:7:", "Did you mean binary?", "regression"),
    broken("infinite", DATA + "training: {early_stopping: {min_delta: .inf}}\n", ":2:40:", "finite number"),
    broken("negative duration", DATA + "training: {time_budget: -1h}\n", ":2:25:", "above zero, got '-1h'", "10m"),
    broken("zero duration", DATA + "training: {time_budget: 0}\n", ":2:25:", "above zero"),
    broken("no duration", DATA + "training: {time_budget: soon}\n", ":2:25:", "'soon' is not a duration", "1h30m"),
    broken("true duration", DATA + "training: {time_budget: true}\n", ":2:25:", "duration"),
    broken("mapping duration", DATA + "training: {time_budget: {seconds: 5}}\n", ":2:", "duration"),
    broken("negative seed", DATA + "seed: -1\n", ":2:7:", "at least 0, got -1"),
    broken("large seed", DATA + "seed: 4294967296\n", ":2:7:", "at most 4294967295"),
    broken("one fold", DATA + "cross_validation: {folds: 1}\n", ":2:27:", "at least 2, got 1"),
    broken("no rounds", DATA + "training: {rounds: 0}\n", ":2:20:", "above 0, got 0"),
    broken("no patience", DATA + "training: {early_stopping: {patience: 0}}\n", ":2:39:", "above 0"),
    broken("placeholder", DATA + 'architecture: {model_type: "[Model family]"}\n', ":2:28:", "form's own text", "lightgbm"),
    broken("placeholder without quotes", DATA + "training: {framework: [PyTorch/sklearn]}\n", ":2:", "form's own text"),
    broken("placeholder in angles", DATA + "name: <name>\n", ":2:7:", "form's own text", "churn"),
    broken("environment", "data: {train_path: train.csv, target: y, val_path: '${VAL}'}\n", ":1:52:", "template", "not expanded"),
    broken("template", DATA + "name: '{{ name }}'\n", ":2:7:", "template"),
    broken("template without quotes", DATA + "name: {{ name }}\n", ":2:8:", "template {{...}}"),
    broken("secret", DATA + "tracking_api_key: abc123\n", ":2:", "looks like a secret", "Remove it"),
    broken("no target", "data:\n  train_path: train.csv\n", ":1:1: data.target: the target is missing", "target: churned"),
    broken("no training data", "data: {target: y}\n", "data.train_path", "missing"),
    broken("missing file", "data: {train_path: trian.csv, target: y}\n", ":1:20:", "no such file", "Did you mean train.csv?"),
    broken("missing folder", "data: {train_path: nowhere/x.csv, target: y}\n", ":1:20:", "no such file"),
    broken("a folder", "data: {train_path: shards, target: y}\n", ":1:20:", "is a folder", "*.parquet"),
    broken("no match", "data: {train_path: shards/*.parquet, target: y}\n", ":1:20:", "no file matches"),
    broken("climbs out", "data: {train_path: ../train.csv, target: y}\n", ":1:20:", "leads out", "absolute path"),
    broken("climbs far", "data: {train_path: a/../../../etc/passwd, target: y}\n", ":1:20:", "leads out"),
    broken("climbing glob", "data: {train_path: '../*.csv', target: y}\n", ":1:20:", "leads out"),
    broken("url", "data: {train_path: s3://bucket/x.csv, target: y}\n", ":1:20:", "URL", "Download"),
    broken("home", "data: {train_path: ~/x.csv, target: y}\n", ":1:20:", "~ is not expanded"),
    broken("nul in a path", 'data: {train_path: "a\\0b", target: y}\n', ":1:20:", "character that no path has"),
    broken("long name", f"data: {{train_path: {'x' * 300}.csv, target: y}}\n", ":1:20:", "longer than a file system"),
    broken("all below", "data: {train_path: '**/*.csv', target: y}\n", ":1:20:", "** is not supported"),
    broken("device file", "data: {train_path: /dev/zero, target: y}\n", ":1:20:", "no regular file"),
    broken("same file twice", "data: {train_path: train.csv, val_path: ./train.csv, target: y}\n", ":1:41:", "same file"),
    broken("val twice", "data: {train_path: train.csv, target: y, val_path: val.csv, split: {val: 0.1}}\n", "both val_path and split"),
    broken("test twice", "data: {train_path: train.csv, target: y, test_path: test.csv, split: {test: 0.1}}\n", "test: 0"),
    broken("nothing to train on", "data: {train_path: train.csv, target: y, split: {val: 0.5, test: 0.5}}\n", "no rows for training"),
    broken("val of zero", "data: {train_path: train.csv, target: y, split: {val: 0}}\n", ":1:55:", "above 0"),
    broken("fraction of two", "data: {train_path: train.csv, target: y, split: {val: 2}}\n", ":1:55:", "below 1"),
    broken("group without column", "data: {train_path: train.csv, target: y, split: {strategy: group}}\n", ":1:60:", "needs a column"),
    broken("column without effect", "data: {train_path: train.csv, target: y, split: {column: a}}\n", ":1:58:", "no effect"),
    broken("folds without column", DATA + "cross_validation: {strategy: time}\n", ":2:30:", "time folds need a column"),
    broken("two groups", "data: {train_path: train.csv, target: y, columns: {group: a}, split: {strategy: group, column: b}}\n", "'b' here, 'a' in"),
    broken("two roles", "data: {train_path: train.csv, target: y, columns: {group: a, ignore: [b, a]}}\n", ":1:74:", "also group"),
    broken("target ignored", "data: {train_path: train.csv, target: y, columns: {ignore: [y]}}\n", ":1:61:", "also target"),
    broken("two kinds", "data: {train_path: train.csv, target: y, columns: {numeric: [a], text: [a]}}\n", "also numeric"),
    broken("empty target", "data: {train_path: train.csv, target: ''}\n", ":1:39:", "the target is empty"),
    broken("other operator", "data: {train_path: train.csv, target: 'a > 3'}\n", ":1:39:", "only == is"),
    broken("value without quotes", "data: {train_path: train.csv, target: 'a == b'}\n", ":1:39:", "in quotes"),
    broken("comparison in a regression", "task: regression\ndata: {train_path: train.csv, target: 'a == 1'}\n", ":1:7:", "binary"),
    broken("weights in a regression", DATA + "task: regression\ntraining: {class_weight: balanced}\n", ":3:26:", "no effect"),
    broken("device", DATA + "training: {device: gpu}\n", ":2:20:", "unknown device 'gpu'", "cuda"),
    broken("framework", DATA + "training: {framework: pytroch}\n", ":2:23:", "Did you mean pytorch?"),
    broken("name", DATA + "name: ../../x\n", ":2:7:", "cannot name a folder"),
    broken("text as parameters", DATA + "architecture: {architecture_spec: three layers}\n", ":2:35:", "a mapping is needed", "num_leaves"),
    broken("import path", DATA + "architecture: {model_type: os.system}\n", ":2:28:", "no model", "sklearn."),
    broken("pipeline form", "data: {train_path: train.csv, target: y, feature_pipeline: build}\n", ":1:60:", "features.py:build"),
    broken("pipeline file", "data: {train_path: train.csv, target: y, feature_pipeline: feature.py:build}\n", "no such file", "features.py"),
    broken("own data form", "data: {train_path: ./mine.py, target: y}\n", ":1:20:", "does not name something", "my_data.py:TrainSet"),
    broken("own data file", "data: {train_path: ./mien.py:TrainSet, target: y}\n", ":1:20:", "no such file", "mine.py"),
    broken("own data name", "data: {train_path: ./mine.py:TrianSet, target: y}\n", ":1:20:", "no class or function", "Did you mean TrainSet?"),
    broken("own data torn", "data: {train_path: ./torn.py:TrainSet, target: y}\n", ":1:20:", "torn.py', line 1", "Mend the file"),
    broken("own data twice", "data: {train_path: ./mine.py:TrainSet, test_path: mine.py:TrainSet, target: y}\n", ":1:51:", "the same file as data.train_path"),
    broken("own data of texts", "task: language\ndata: {train_path: ./mine.py:TrainSet}\n", ":2:20:", "reads a text"),
    broken("pipeline steps", "data: {train_path: train.csv, target: y, feature_pipeline: {steps: []}}\n", "a list of steps"),
    broken("pipeline type", "data: {train_path: train.csv, target: y, feature_pipeline: 3}\n", ":1:60:", "file.py:function"),
    broken("export unknown", DATA + "export: [native, onx]\n", ":2:18:", "unknown name 'onx'", "Did you mean onnx?"),
    broken("export of native", DATA + "export: [native, skops]\n", ":2:18:", "how native stores", "native"),
    broken("export nothing", DATA + "export: []\n", ":2:9:", "always written"),
    broken("tracker unknown", DATA + "tracking: [jsonl, mlfow]\n", ":2:19:", "'mlfow'", "Did you mean mlflow?"),
    broken("tracker twice", DATA + "tracking: [wandb, WandB]\n", ":2:11:", "'wandb' is there twice"),
    broken("tracker alone", DATA + "tracking: mlflow\n", ":2:11:", "Write tracking: [mlflow]"),
    broken("tracker number", DATA + "tracking: 3\n", ":2:11:", "a list or a mapping is needed, got 3"),
    broken("tracker list", DATA + "tracking: [{mlflow: {}}]\n", ":2:", "options make it a mapping"),
    broken("tracker text", DATA + "tracking: {mlflow: here}\n", ":2:20:", "tracking.mlflow: a mapping is needed"),
    broken("tracker option", DATA + "tracking:\n  wandb: {projct: x}\n", ":3:19:", "'projct'", "Did you mean project?"),
    broken("tracker alias", DATA + "tracking:\n  mlflow: {registr: x}\n", ":3:", "Did you mean register?"),
    broken("tracker value", DATA + "tracking:\n  wandb: {mode: of}\n", ":3:17:", "tracking.wandb.mode", "offline"),
    broken("tracker type", DATA + "tracking:\n  mlflow: {uri: 3}\n", ":3:17:", "a text is needed", "Put it in quotes"),
    broken("tracker of ours", DATA + "tracking: {jsonl: {path: x}}\n", ":2:", "unknown option 'path'", "Remove it"),
    broken("tracker key", DATA + "tracking: {wandb: {api_key: abc}}\n", ":2:", "looks like a secret"),
    broken("tracker password", DATA + "tracking: {mlflow: {uri: 'http://me:hunter22@h'}}\n", ":2:26:", "holds a password"),
    broken("baseline twice", DATA + "baselines: [dummy, linear, dummy]\n", ":2:28:", "there twice"),
    broken("budget twice", DATA + "hyperparameter_search: {budget: '1h, 2h'}\n", ":2:33:", "twice"),
    broken("budget of true", DATA + "hyperparameter_search: {budget: true}\n", ":2:33:", "a budget is needed"),
    broken("budget key", DATA + "hyperparameter_search: {budget: {trails: 5}}\n", "trials and time"),
    broken("budget too long", DATA + "training: {time_budget: 1h}\nhyperparameter_search: {budget: 2h}\n", ":3:33:", "do not fit"),
    broken("range upside down", DATA + "hyperparameter_search: {search_space: {lr: {low: 1, high: 0.1}}}\n", ":2:59:", "above low"),
    broken("log of zero", DATA + "hyperparameter_search: {search_space: {lr: {low: 0, high: 1, log: true}}}\n", ":2:50:", "above 0"),
    broken("step of zero", DATA + "hyperparameter_search: {search_space: {lr: {low: 0, high: 1, step: 0}}}\n", ":2:68:", "step must be"),
    broken("step too wide", DATA + "hyperparameter_search: {search_space: {lr: {low: 0, high: 1, step: 2}}}\n", ":2:68:", "wider"),
    broken("half an int", DATA + "hyperparameter_search: {search_space: {lr: {low: 0.5, high: 2, int: true}}}\n", ":2:50:", "whole number"),
    broken("grid of reals", DATA + "hyperparameter_search: {method: grid, search_space: {lr: {low: 0, high: 1}}}\n", "finite list"),
    broken("no choices", DATA + "hyperparameter_search: {search_space: {b: []}}\n", ":2:", "choices is empty"),
    broken("fixed and searched", DATA + "architecture: {architecture_spec: {lr: 1}}\nhyperparameter_search: {search_space: {lr: [1, 2]}}\n", "fixed"),
    broken("search space as text", DATA + "hyperparameter_search: {search_space: From Agent 24}\n", ":2:39:", "names a document, and there is none"),
    broken("half a range", DATA + "hyperparameter_search: {search_space: {lr: {low: 1}}}\n", "no high"),
    broken("range key", DATA + "hyperparameter_search: {search_space: {lr: {low: 1, high: 2, logg: true}}}\n", "Did you mean log?"),
    broken("override without value", DATA, "-o seed: an override is", overrides=("seed",)),
    broken("override of nothing", DATA, "-o trainig.rounds=3: ", "Did you mean training?", overrides=("trainig.rounds=3",)),
    broken("override inside a value", DATA, "name is 'x', nothing can be set", overrides=("name=x", "name.y=1")),
    broken("override type", DATA, "-o training.time_budget=-1h: training.time_budget:", overrides=("training.time_budget=-1h",)),
    broken("override twice", DATA, "given twice", overrides=("seed=1", "seed=2")),
    broken("override item", DATA, "the list has", overrides=("export=[native]", "export.5=x")),
    broken("override syntax", DATA, "not closed", overrides=("export=[native",)),
    broken("rounds and epochs", DATA + "training: {rounds: 5, epochs: 5}\n", "training.epochs", "two names", "Keep one"),
    broken("batch size zero", DATA + "training: {batch_size: 0}\n", ":2:24:", "training.batch_size", "above 0 or auto"),
    broken("batch size text", DATA + "training: {batch_size: big}\n", "training.batch_size", "above 0 or auto", "'big'"),
    broken("unknown optimizer", DATA + "training: {optimizer: adamww}\n", "training.optimizer.name", "Did you mean adamw?"),
    broken("optimizer key", DATA + "training: {optimizer: {name: sgd, rate: 1}}\n", "training.optimizer.rate", "unknown key"),
    broken("negative rate", DATA + "training: {optimizer: {lr: -1}}\n", "training.optimizer.lr", "above 0 or auto"),
    broken("beta of one", DATA + "training: {optimizer: {betas: [0.9, 1.0]}}\n", "training.optimizer.betas.1", "below 1"),
    broken("unknown schedule", DATA + "training: {scheduler: cosin}\n", "training.scheduler.name", "Did you mean cosine?"),
    broken("warm-up above one", DATA + "training: {scheduler: {warmup: 5}}\n", "training.scheduler.warmup", "at most 1"),
    broken("precision", DATA + "training: {precision: fp8}\n", "training.precision", "'fp8'", "bf16"),
    broken("smoothing of one", DATA + "training: {label_smoothing: 1.0}\n", "training.label_smoothing", "below 1"),
    broken("words of others", DATA + "training: {mixed_precision: true}\n", "Write it as training.precision"),
    broken("lr beside", DATA + "training: {lr: 0.1}\n", "Write it as training.optimizer.lr"),
]  # fmt: skip


@pytest.mark.parametrize("case", TEXTS, ids=lambda c: c.id)
def test_a_broken_spec_is_explained(load_text: Loader, case: Broken) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(case.text, name=case.name, overrides=case.overrides)
    error = caught.value
    assert error.exit_code == 2
    assert error.findings
    assert all(f.code.startswith("spec.") for f in error.findings)
    for part in case.expected:
        assert part in error.message
    assert "pydantic" not in error.message
    assert len(error.message) < 20_000


def _directory(folder: Path) -> Path:
    return folder / "shards"


def _missing(folder: Path) -> Path:
    (folder / "spec.yaml").write_text(DATA)
    return folder / "spce.yaml"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def _device(folder: Path) -> Path:
    return Path("/dev/zero")


def _nul(folder: Path) -> Path:
    return Path("a\0b")


def _text(folder: Path) -> Path:
    return Path(DATA)


def _long(folder: Path) -> Path:
    return folder / ("x" * 5000)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (_directory, "this is a folder"),
        (_missing, "Did you mean spec.yaml?"),
        (_pipe, "this is not a file"),
        (_device, "this is not a file"),
        (_nul, "cannot be read"),
        (_text, "not the path of a spec"),
        (_long, "cannot be read"),
    ],
)
def test_a_source_that_is_no_spec_file(folder: Path, make: Callable[[Path], Path], expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(make(folder))
    assert expected in caught.value.message
    assert caught.value.exit_code == 2


def test_a_symlink_out_of_the_folder_is_refused(folder: Path, load_text: Loader) -> None:
    outside = folder.parent / f"{folder.name}-outside.csv"
    outside.write_text("a,y\n1,0\n")
    (folder / "link.csv").symlink_to(outside)
    with pytest.raises(SpecError, match="leads out of the spec's folder"):
        load_text("data: {train_path: link.csv, target: y}\n")
    assert load_text(f"data: {{train_path: {outside}, target: y}}\n").spec.data.train_path == str(outside)


def test_every_mistake_is_reported_at_once_in_order(load_text: Loader) -> None:
    text = (
        "sed: 4\n"
        "seed: 3.5\n"
        "data:\n"
        "  train_path: trian.csv\n"
        "  columns: {ignore: [a, 3, a]}\n"
        "training:\n"
        "  rounds: '100'\n"
        "  time_budget: -1h\n"
        "seed: 3\n"
        "export: [onnx]\n"
    )
    with pytest.raises(SpecError) as caught:
        load_text(text, overrides=["training.device=gpu"])
    lines = caught.value.message.splitlines()
    places = [int(line.split(":")[1]) for line in lines[:-1]]
    assert places == sorted(places)
    assert {1, 2, 3, 4, 5, 7, 8, 9, 10} == set(places)
    assert lines[-1].startswith("-o training.device=gpu: training.device:")
    assert len(caught.value.findings) == len(lines)


def test_a_thousand_mistakes_are_cut(load_text: Loader) -> None:
    text = DATA + "".join(f"x{i}: 1\n" for i in range(1000))
    with pytest.raises(SpecError) as caught:
        load_text(text)
    assert len(caught.value.findings) == 100
    assert "more mistakes" in caught.value.message


@pytest.mark.parametrize(
    "more",
    [
        {"baselines": [*(f"b{i}" for i in range(60_000)), "b0"]},
        {"hyperparameter_search": {"search_space": {"a": [*(f"b{i}" for i in range(60_000)), "b0"]}}},
        {"." * 500_000: 1},
        {"k" * 500_000: 1},
    ],
    ids=["long list", "long choices", "dots", "long key"],
)
@pytest.mark.timeout(20)  # a quadratic rule takes minutes
def test_large_nonsense_is_refused_soon_and_briefly(more: dict[str, object]) -> None:
    with pytest.raises(SpecError) as caught:
        load({"data": {"target": "y"}, **more}, frames=True)
    assert len(caught.value.message) < 5000


@pytest.mark.parametrize("value", ["'${BUDGET}'", "!x 3", "[Max training time]"])
def test_one_mistake_is_reported_once(load_text: Loader, value: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(DATA + f"training: {{time_budget: {value}}}\n")
    assert len(caught.value.findings) == 1


def test_a_secret_is_not_repeated(load_text: Loader) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(DATA + "password: hunter2\n")
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("training: {repairs: sugest}", "training.repairs.mode"),
        ("training: {optimizer: adamx}", "training.optimizer.name"),
        ("training: {scheduler: cosin, optimizer: sgd}", "training.scheduler.name"),
    ],
)
def test_a_mistake_in_a_short_form_hides_nothing_and_brings_no_other(load_text: Loader, text: str, where: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(f"{DATA}seed: 3.5\n{text}\n")
    seed, short = caught.value.message.splitlines()
    assert ":2:7: seed:" in seed
    assert f" {where}: " in short
