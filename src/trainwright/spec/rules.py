"""What must hold between the values of a spec: each rule is a function of the loaded spec."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trainwright.core import registry
from trainwright.spec.mistakes import Mistake, nearest, shown
from trainwright.spec.models import Columns
from trainwright.spec.space import range_problems
from trainwright.spec.target import TargetExpression, candidates, parse_target
from trainwright.spec.tracking import trackers
from trainwright.spec.vocabulary import example

if TYPE_CHECKING:
    from trainwright.spec.load import LoadedSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")
_IMPORT_PATH = re.compile(r"sklearn(\.[A-Za-z_][A-Za-z0-9_]*)+")
_FAMILY = re.compile(r"[A-Za-z][A-Za-z0-9_ -]*")
_FRAMEWORKS = ("auto", "sklearn", "xgboost", "lightgbm", "catboost", "pytorch", "tensorflow")
_HELD_BY_NATIVE = ("skops", "safetensors")
_KINDS = ("numeric", "categorical", "boolean", "datetime", "text")
_GROUP_OR_TIME = ("group", "time")


def required(loaded: "LoadedSpec", *, frames: bool, columns: Sequence[str] = ()) -> Iterator[Mistake]:
    """A target and training rows. ``columns`` are those of the training rows, where they are known."""
    data = loaded.spec.data
    if data.target is None and loaded.spec.task != "language":
        fix = candidates(columns) or example("data.target")
        yield loaded.mistake("data.target", "the target is missing", fix, code="missing")
    if data.train_path is None and not frames:
        path = "data.train_path"
        yield loaded.mistake(path, "the path of the training data is missing", example(path), code="missing")


def names(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """Names that become folders, devices, frameworks."""
    spec = loaded.spec
    if spec.name is not None and not _NAME.fullmatch(spec.name):
        what = f"{shown(spec.name)} cannot name a folder"
        yield loaded.mistake("name", what, "Use up to 64 letters, digits, '.', '_' and '-', a letter or digit first")
    if not _DEVICE.fullmatch(spec.training.device):
        what = f"unknown device {shown(spec.training.device)}"
        yield loaded.mistake("training.device", what, _choose(spec.training.device, ("auto", "cpu", "cuda", "mps")))
    frameworks = (*_FRAMEWORKS, *(n for n in registry.names("engines") if n not in _FRAMEWORKS))
    if spec.training.framework not in frameworks:
        what = f"unknown framework {shown(spec.training.framework)}"
        yield loaded.mistake("training.framework", what, _choose(spec.training.framework, frameworks))
    stopping = spec.training.early_stopping
    for path, metric in (
        ("training.metric", spec.training.metric),
        ("training.early_stopping.metric", stopping.metric if stopping is not None else None),
    ):
        if metric is not None and not metric.strip():
            yield loaded.mistake(path, "the metric is empty", example(path))


def epochs(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """One name for the length of the training."""
    training = loaded.spec.training
    if training.rounds is not None and training.epochs is not None:
        what = "rounds and epochs are two names for the same limit"
        yield loaded.mistake("training.epochs", what, "Keep one of them", code="conflict")


def distributed(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """Processes that can share a training: on the CPU or on GPUs, one device each."""
    training = loaded.spec.training
    wanted = training.distributed
    if wanted is None:
        return
    path = "training.distributed"
    if training.device == "mps":
        yield loaded.mistake(path, "processes cannot share one Metal device", "Remove it", code="conflict")
    if ":" in training.device and (wanted.processes != 1 or wanted.nodes > 1):
        what = f"each process takes a GPU of its own, and training.device names one: {training.device}"
        yield loaded.mistake(path, what, "Write device: cuda, or remove this section", code="conflict")
    size = training.batch_size or loaded.spec.architecture.architecture_spec.get("batch_size")
    if wanted.strategy == "fsdp" and training.device.startswith("cuda") and size == "auto":
        what = "batch_size: auto cannot be tried with fsdp: a process without memory would leave the others waiting"
        yield loaded.mistake(path, what, "Write a number, or strategy: ddp", code="conflict")


def architecture(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """The model's name has a form that can be a model."""
    wanted = loaded.spec.architecture
    model = wanted.model_type.strip()
    if model.startswith(("./", "/", "timm/", "hf/")) or ".py" in model:
        return
    if not _IMPORT_PATH.fullmatch(model) and not _FAMILY.fullmatch(model):
        what = f"{shown(wanted.model_type)} is no model"
        fix = "Write a family such as lightgbm, auto, or an estimator such as sklearn.ensemble.AdaBoostClassifier"
        yield loaded.mistake("architecture.model_type", what, fix)


def target(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """The target's form, and that it goes with the task."""
    text = loaded.spec.data.target
    if text is None:
        return
    try:
        expression = parse_target(text)
    except ValueError as error:
        yield loaded.mistake("data.target", str(error))
        return
    task = loaded.spec.task
    if expression.is_comparison and task in ("multiclass", "regression"):
        fix = "Write task: binary, or name only the column"
        yield loaded.mistake("task", f"a target that compares with one value is binary, not {task}", fix)
    if task == "regression" and loaded.spec.training.class_weight != "none":
        what, fix = "class_weight has no effect in a regression", "Remove it"
        yield loaded.mistake("training.class_weight", what, fix, code="no_effect")


def split(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """One way to get validation rows, fractions that leave some for training, and a column where one is needed."""
    data = loaded.spec.data
    if data.split is None:
        return
    if data.val_path is not None:
        what = "both val_path and split say where validation rows come from"
        yield loaded.mistake("data.split", what, "Keep one of them", code="conflict")
    if data.test_path is not None and data.split.test > 0:
        what = "test_path names the test rows, and this holds out others"
        yield loaded.mistake("data.split.test", what, "Write test: 0, or remove test_path", code="conflict")
    if data.split.val + data.split.test >= 1:
        what = f"val {data.split.val:g} and test {data.split.test:g} leave no rows for training"
        yield loaded.mistake("data.split", what, "Let their sum stay below 1, for example val: 0.2, test: 0.2")
    yield from _split_column(loaded)


def _split_column(loaded: "LoadedSpec") -> Iterator[Mistake]:
    wanted, columns = loaded.spec.data.split, loaded.spec.data.columns
    if wanted is None:
        return
    path = "data.split.column"
    if loaded.spec.task == "language":
        return  # by position, whatever it is called
    if wanted.strategy not in _GROUP_OR_TIME:
        if wanted.column is not None:
            what = f"a column has no effect on a {wanted.strategy} split"
            yield loaded.mistake(path, what, "Write strategy: group or strategy: time, or remove it", code="no_effect")
        return
    named = getattr(columns, wanted.strategy)
    if wanted.column is None and named is None:
        fix = f"Write column: under split, or {wanted.strategy}: under data.columns"
        yield loaded.mistake("data.split.strategy", f"a {wanted.strategy} split needs a column", fix, code="missing")
    elif None not in (wanted.column, named) and wanted.column != named:
        what = f"{shown(wanted.column)} here, {shown(named)} in data.columns.{wanted.strategy}"
        yield loaded.mistake(path, what, "Keep one of them", code="conflict")


def cross_validation(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """Group and time folds need their column."""
    spec = loaded.spec
    if spec.cross_validation is None or spec.cross_validation.strategy not in _GROUP_OR_TIME:
        return
    strategy = spec.cross_validation.strategy
    by_split = spec.data.split is not None and spec.data.split.strategy == strategy
    if getattr(spec.data.columns, strategy) is None and not (by_split and spec.data.split and spec.data.split.column):
        what = f"{strategy} folds need a column"
        fix = f"Write {strategy}: under data.columns"
        yield loaded.mistake("cross_validation.strategy", what, fix, code="missing")


def column_roles(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """No column in two roles, none listed twice."""
    first: dict[str, str] = {}
    for column, path in _listed_columns(loaded):
        role = path.removeprefix("data.").removeprefix("columns.").split(".")[0]
        if not column.strip():
            yield loaded.mistake(path, "the column's name is empty", "Write a name, or remove it")
        elif column not in first:
            first[column] = role
        elif {first[column], role} not in ({"time", "datetime"}, {"time", "numeric"}):
            there = "in this list already" if first[column] == role else f"also {first[column]}"
            what = f"the column {shown(column)} is {there}"
            yield loaded.mistake(path, what, "Give each column one role", code="conflict")


def _listed_columns(loaded: "LoadedSpec") -> Iterator[tuple[str, str]]:
    data = loaded.spec.data
    expression = _target(data.target)
    if expression is not None:
        yield expression.column, "data.target"
    for role in ("group", "time", "weight"):
        column = getattr(data.columns, role)
        if column is not None:
            yield column, f"data.columns.{role}"
    wanted = data.split
    if wanted is not None and wanted.column and wanted.column not in (data.columns.group, data.columns.time):
        yield wanted.column, "data.split.column"
    for role in ("ignore", *_KINDS):
        for number, column in enumerate(getattr(data.columns, role)):
            yield column, f"data.columns.{role}.{number}"


def _target(text: str | None) -> TargetExpression | None:
    try:
        return parse_target(text) if text is not None else None
    except ValueError:
        return None


def outputs(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """Baselines and exports: known, available, each once."""
    spec = loaded.spec
    for path, listed in (("baselines", spec.baselines), ("export", spec.export)):
        seen: set[str] = set()
        for number, name in enumerate(listed):
            if name in seen:
                yield loaded.mistake(f"{path}.{number}", f"{shown(name)} is there twice", "Keep one")
            elif not name.strip():
                yield loaded.mistake(f"{path}.{number}", "the name is empty", "Write a name, or remove it")
            seen.add(name)
    yield from _exports(loaded)
    if "native" not in spec.export:
        what = "the native model is always written: predict and verify need it"
        yield loaded.mistake("export", what, "Write export: [native]", code="missing")


def _exports(loaded: "LoadedSpec") -> Iterator[Mistake]:
    known = ("native", *registry.names("exports"))
    for number, name in enumerate(loaded.spec.export):
        if name.lower() in _HELD_BY_NATIVE:
            what, fix = f"{shown(name)} is how native stores models that need it", "Write native"
            yield loaded.mistake(f"export.{number}", what, fix, code="unavailable")
        elif name.strip() and name not in known:
            yield loaded.mistake(f"export.{number}", f"unknown name {shown(name)}", _choose(name, known))


def _available(
    loaded: "LoadedSpec", path: str, listed: Sequence[str], known: tuple[str, ...], later: tuple[str, ...]
) -> Iterator[Mistake]:
    for number, name in enumerate(listed):
        if name.lower() in later:
            what = f"{shown(name)} is not available in this version"
            yield loaded.mistake(f"{path}.{number}", what, f"Available: {', '.join(known)}", code="unavailable")
        elif name.strip() and name not in known:
            yield loaded.mistake(f"{path}.{number}", f"unknown name {shown(name)}", _choose(name, known))


def search(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """Ranges that can be searched, within the run's time, of parameters that are not fixed."""
    spec = loaded.spec
    wanted = spec.hyperparameter_search
    if wanted is None:
        return
    limit, asked = spec.training.time_budget, wanted.budget.time if wanted.budget else None
    if limit is not None and asked is not None and asked > limit:
        what = f"{asked} of search do not fit in training.time_budget: {limit}"
        yield loaded.mistake("hyperparameter_search.budget", what, "Lower this one, or raise time_budget")
    for name, value in wanted.search_space.items():
        path = f"hyperparameter_search.search_space.{name}"
        if name in spec.architecture.architecture_spec:
            what, fix = "the parameter is fixed in architecture.architecture_spec too", "Keep one of them"
            yield loaded.mistake(path, what, fix, code="conflict")
        for key, what, fix in range_problems(value, wanted.method):
            yield loaded.mistake(f"{path}.{key}" if key else path, what, fix, code="range")


def language(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """A language model has a text and no table: what is about rows and columns has no effect."""
    spec = loaded.spec
    if spec.task != "language":
        if spec.data.stretch is not None:
            what = "stretches are of texts, and the task is not language"
            yield loaded.mistake("data.stretch", what, "Remove it, or write task: language", code="no_effect")
        return
    unused = {
        "data.target": spec.data.target is not None,
        "data.missing_values": spec.data.missing_values is not None,
        "data.feature_pipeline": spec.data.feature_pipeline is not None,
        "data.columns": spec.data.columns != Columns(),
        "training.class_weight": spec.training.class_weight != "none",
        "cross_validation": spec.cross_validation is not None,
    }
    for path, given in unused.items():
        if given:
            yield loaded.mistake(path, "it has no effect on a language model", "Remove it", code="no_effect")
    if spec.data.split is not None and spec.data.split.strategy not in ("auto", "time"):
        what = f"a text is cut by position; {spec.data.split.strategy} stretches would leak"
        yield loaded.mistake("data.split.strategy", what, "Write strategy: time, or remove it")


def _choose(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known)
    return f"Did you mean {near}? Known: {', '.join(known)}" if near else f"Known: {', '.join(known)}"


RULES = (
    names,
    epochs,
    distributed,
    architecture,
    target,
    split,
    cross_validation,
    column_roles,
    outputs,
    trackers,
    search,
    language,
)
