"""From the spec to one model's plan: family, engine, parameters, metric, stopping rule."""

import importlib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core import registry
from trainwright.core.errors import SpecError, TrainwrightError
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.core.metrics import Metric, default_metric, find, loss_metric
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.data.dataset import Kind
from trainwright.engines.contract import Capabilities, ChoosesDevice
from trainwright.families import _hf, _own, _spelled
from trainwright.families.contract import Family, ParamProblem, Request
from trainwright.fit.recipe import with_training
from trainwright.spec.loop import LOOP_KEYS

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset
    from trainwright.spec.load import LoadedSpec, Mistake
    from trainwright.spec.models import Spec, Training

# The order of the tuned defaults in Holzmueller et al. 2024 ("Better by Default"); here CatBoost beats LightGBM on the
# validation rows of 5 of 7 public tables (benchmarks/RESULTS.md). The first one that is installed is taken.
_AUTO_FAMILY = (("catboost", "catboost"), ("lightgbm", "lightgbm"), ("hist_gradient_boosting", "sklearn"))
# Rows x columns x classes above which `auto` takes LightGBM instead. Measured on 2 cores: CatBoost needs 110 s for
# 8 million (diabetes130), and not one block of 25 rounds was done in 200 s at 330 million (kddcup99, 23 classes).
_CATBOOST_CELLS = 30_000_000
_FRAMEWORK_FAMILY = {
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "catboost": "catboost",
    "sklearn": "hist_gradient_boosting",
    "pytorch": "mlp",
}
# The engine behind a framework's usual name, where they differ.
_FRAMEWORK_ENGINE = {"pytorch": "torch"}
# Where a network's published search space and the training section name the same thing.
TWICE = {
    "optimizer.lr": "learning_rate",
    "optimizer.weight_decay": "weight_decay",
    "batch_size": "batch_size",
    "label_smoothing": "label_smoothing",
}

_RIVALS = {"cnn": "images", "gpt": "texts", "ngram": "texts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be trained, and what decides when it is good.

    ``primary`` is the metric the spec names; ``watch`` the one early stopping looks at (the primary where it is
    smooth, else the loss). ``patience`` counts rounds, 0 means all rounds are trained and kept.
    """

    model: ModelPlan
    primary: Metric
    watch: Metric
    patience: int
    min_delta: float
    threads: int
    device: str
    class_weight: str
    findings: tuple[Finding, ...] = ()


def family_of(spec: "Spec") -> tuple[str, str]:
    """The family's name, and what the spelling names: ``sklearn.x.Estimator``, ``./my_model.py:Net``, ``timm/NAME``.

    Raises:
        SpecError: no family has that name.
    """
    wanted = spec.architecture.model_type.strip()
    if wanted.startswith("sklearn."):
        return "sklearn", wanted
    if wanted == "auto":
        if spec.task == "language":
            return "gpt" if importlib.util.find_spec("torch") is not None else "ngram", ""
        if spec.training.framework in _FRAMEWORK_FAMILY:
            return _FRAMEWORK_FAMILY[spec.training.framework], ""
        return next(family for family, module in _AUTO_FAMILY if importlib.util.find_spec(module) is not None), ""
    if (spelled := _spelled.family_of(wanted)) is not None:
        return spelled, wanted
    name = re.sub(r"[\s-]+", "_", wanted.lower())
    if name not in registry.names("families"):
        raise SpecError(registry.unknown("model_type", wanted, registry.names("families")))
    return name, ""


def framework_of(engine: str) -> str:
    """The framework's usual name: what a spec says for that engine."""
    return next((name for name, folder in _FRAMEWORK_ENGINE.items() if folder == engine), engine)


def is_model_code(model_type: str) -> bool:
    """Whether the model is Python code of the user's own."""
    return _spelled.family_of(model_type.strip()) == _own.NAME


def load_family(name: str) -> Family:
    """The family module of that name."""
    if name in _spelled.FAMILIES:
        return _spelled.FAMILIES[name]
    return cast(Family, registry.load("families", name))


def judge_model(loaded: "LoadedSpec") -> Iterable["Mistake"]:
    """Mistakes in a spec that only families, engines and metrics can tell, before any data is read."""
    spec = loaded.spec
    yield from _judge_metric(loaded)
    for number, name in enumerate(spec.baselines):
        if name not in registry.names("families"):
            yield loaded.mistake(
                f"baselines.{number}", registry.unknown("baseline", name, registry.names("families")).rstrip(".")
            )
    try:
        name, estimator = family_of(spec)
    except SpecError as error:
        yield loaded.mistake("architecture.model_type", error.message)
        return
    yield from _judge_family(loaded, name, estimator)


def _judge_family(loaded: "LoadedSpec", name: str, estimator: str) -> Iterable["Mistake"]:
    spec = loaded.spec
    family = load_family(name)
    tasks = [Task(spec.task)] if spec.task != "auto" else sorted(family.TASKS & TABLE_TASKS)
    if not tasks:
        yield loaded.mistake("task", f"{name} is a language model, and the task is auto", "write task: language")
        return
    if tasks[0] not in family.TASKS:
        yield loaded.mistake("task", f"{name} has no {spec.task} model", f"it does: {', '.join(sorted(family.TASKS))}")
        return
    framework = spec.training.framework
    if framework != "auto" and _FRAMEWORK_ENGINE.get(framework, framework) not in family.ENGINES:
        yield loaded.mistake(
            "training.framework", f"{name} does not run on {framework}", f"write {family.ENGINES[0]}, or leave it out"
        )
        return
    try:
        capabilities = engine_capabilities(family.ENGINES[0])
        device = spec.training.device
        if device.partition(":")[0] not in ("auto", *capabilities.devices):
            yield loaded.mistake(
                "training.device",
                f"{name} trains on {', '.join(capabilities.devices)} here, not on {device}",
                "write auto or cpu",
            )
        yield from _judge_keys(loaded, family, name, tasks[0], capabilities)
        for problem in _problems_of_all(family, spec, tasks, located(loaded, estimator), loaded.base):
            place = f"architecture.architecture_spec.{problem.name}" if problem.name else "architecture.model_type"
            yield loaded.mistake(place, problem.what, problem.fix)
    except SpecError as error:
        yield loaded.mistake("architecture.model_type", error.message)


def located(loaded: "LoadedSpec", estimator: str) -> str:
    """An own model's file, or a checkpoint, as a path of this process; anything else as it is."""
    family = _spelled.family_of(estimator)
    if family == _hf.NAME:
        return str(loaded.resolve_path(estimator.removeprefix(_hf.PREFIX)))
    if family != _own.NAME:
        return estimator
    path, _, name = estimator.rpartition(":")
    return f"{loaded.resolve_path(path)}:{name}"


def _judge_keys(
    loaded: "LoadedSpec", family: Family, name: str, task: Task, capabilities: Capabilities
) -> Iterable["Mistake"]:
    """Keys of ``training`` that this family's engine does not read, and a learning rate that is set twice."""
    training, params = loaded.spec.training, loaded.spec.architecture.architecture_spec
    for key in (*LOOP_KEYS, "distributed"):
        if getattr(training, key) is not None and key not in capabilities.training_keys:
            what = f"{key} has no effect on {name}, which trains with {family.ENGINES[0]}"
            fix = "Remove it; the model's own parameters go under architecture.architecture_spec"
            yield loaded.mistake(f"training.{key}", what, fix, code="no_effect")
    if any(one.action not in capabilities.repairs for one in training.repairs.repeat):
        what = f"{name} has no such repairs while it trains"
        yield loaded.mistake("training.repairs.repeat", what, "Remove it", code="no_effect")
    if any(one.beginning and not one.back for one in training.repairs.repeat):
        what = "a repair cannot begin again (beginning: true) without going back (back: false)"
        yield loaded.mistake("training.repairs.repeat", what, "Write back: true, or remove beginning", code="conflict")
    if training.epochs is not None and "batch_size" not in capabilities.training_keys and name != "sklearn_mlp":
        yield loaded.mistake("training.epochs", f"{name} does not train in epochs", "Write rounds", code="no_effect")
    for path, key in TWICE.items():
        given = _at(training, path)
        if given is not None and params.get(key, given) != given:
            what = f"architecture.architecture_spec.{key} says {params[key]}, this says {given}"
            yield loaded.mistake(f"training.{path}", what, "Keep one of them", code="conflict")


def _at(training: "Training", path: str) -> object:
    value: object = training
    for part in path.split("."):
        value = None if value is None else getattr(value, part)
    return value


def _problems_of_all(family: Family, spec: "Spec", tasks: list[Task], estimator: str, base: Path) -> list[ParamProblem]:
    """The problems that a user's parameters have whatever the task turns out to be."""
    params = cast(Mapping[str, JsonValue], spec.architecture.architecture_spec)
    by_task: list[list[ParamProblem]] = []
    for task in tasks:
        classes = {Task.BINARY: 2, Task.MULTICLASS: 3}.get(task, 0)
        request = Request(
            task=task, num_classes=classes, rounds=spec.training.limit, estimator=estimator, base=str(base)
        )
        by_task.append(family.problems(params, request))
    return min(by_task, key=len)


def _judge_metric(loaded: "LoadedSpec") -> Iterable["Mistake"]:
    spec = loaded.spec
    stopping = spec.training.early_stopping
    named = [("training.metric", spec.training.metric)]
    if stopping is not None and stopping.metric is not None:
        named.append(("training.early_stopping.metric", stopping.metric))
    tasks = [Task(spec.task)] if spec.task != "auto" else sorted(TABLE_TASKS)
    for path, name in named:
        if name == "auto":
            continue
        errors: list[str] = []
        for task in tasks:
            try:
                find(name, task)
            except SpecError as error:
                errors.append(error.message)
        if len(errors) == len(tasks):
            yield loaded.mistake(path, errors[0])


def engine_capabilities(engine: str) -> Capabilities:
    """What an engine declares."""
    return cast(Capabilities, registry.load("engines", engine).CAPABILITIES)


def make_plan(loaded: "LoadedSpec", dataset: "Dataset", *, threads: int, simpler: str | None = None) -> Plan:
    """The plan for a spec on its data; with the defaults of the family ``simpler`` in place of the spec's, if given.

    Raises:
        SpecError: what the data turned out to be does not go with the spec; with the position in the spec.
        ResourceMissing: the engine's package is not installed.
    """
    spec = loaded.spec
    task = dataset.target.task
    name, estimator = family_of(spec)
    params = cast(Mapping[str, JsonValue], spec.architecture.architecture_spec)
    if simpler is not None:
        model = plan_model(simpler, {}, dataset)
    elif _is_free(spec) and _are_images(dataset):
        name = "cnn"
        model = plan_model(name, {}, dataset, rounds=spec.training.limit)
    elif _is_free(spec) and _too_large_for(name, dataset):
        name = "lightgbm"
        model = plan_model(name, {}, dataset, rounds=spec.training.limit)
    else:
        model = plan_model(name, params, dataset, rounds=spec.training.limit, estimator=estimator, loaded=loaded)
    if simpler is None:
        model = with_training(model, spec.training)
    device, findings = _device(loaded, model.engine)
    if spec.architecture.model_type == "auto" and simpler is None:
        findings.append(
            Finding(
                code="plan.family_chosen",
                severity=Severity.INFO,
                where="architecture.model_type",
                what=f"{name} was chosen, the strongest family installed for {_RIVALS.get(name, 'tables')}",
                fix="Name another with architecture.model_type; `trainwright families` lists them",
            )
        )
    primary = default_metric(task) if spec.training.metric == "auto" else _metric(loaded, "training.metric", task)
    watch, patience, min_delta = stopping_rule(loaded, task, primary, model)
    return Plan(
        model=model,
        primary=primary,
        watch=watch,
        patience=patience,
        min_delta=min_delta,
        threads=threads,
        device=device,
        class_weight=spec.training.class_weight,
        findings=tuple(findings),
    )


def _device(loaded: "LoadedSpec", engine: str) -> tuple[str, list[Finding]]:
    """Where the model is trained, and what is to be said of the choice.

    Raises:
        SpecError: the device asked for is not there; with the position in the spec.
    """
    from trainwright.spec.load import spec_error

    module, wanted = registry.load("engines", engine), loaded.spec.training.device
    if not isinstance(module, ChoosesDevice):
        return wanted if wanted in engine_capabilities(engine).devices else "cpu", []
    try:
        device, finding = module.choose_device(wanted)
    except SpecError as error:
        what = error.message.rstrip(".").removeprefix("training.device: ")
        fix = "Write auto for the best device there is, or cpu"
        raise spec_error([loaded.mistake("training.device", what, fix)]) from error
    return device, [] if finding is None else [finding]


def _is_free(spec: "Spec") -> bool:
    """Whether the spec leaves the family to us altogether."""
    named = spec.architecture.model_type != "auto" or spec.training.framework != "auto"
    searched = spec.hyperparameter_search is not None and bool(spec.hyperparameter_search.search_space)
    return not named and not searched and not spec.architecture.architecture_spec


def _are_images(dataset: "Dataset") -> bool:
    """Whether the rows are images, and a network for them can be trained here."""
    images = any(column.kind is Kind.IMAGE for column in dataset.schema.features)
    return images and importlib.util.find_spec("torch") is not None


def _too_large_for(name: str, dataset: "Dataset") -> bool:
    """Whether CatBoost would take minutes a block here and LightGBM is there instead."""
    if name != "catboost" or importlib.util.find_spec("lightgbm") is None:
        return False
    classes = dataset.target.num_classes if dataset.target.task is Task.MULTICLASS else 1
    return len(dataset.train) * len(dataset.schema.features) * classes > _CATBOOST_CELLS


def plan_model(
    name: str,
    params: Mapping[str, JsonValue],
    dataset: "Dataset",
    *,
    rounds: int | None = None,
    estimator: str = "",
    loaded: "LoadedSpec | None" = None,
) -> ModelPlan:
    """The model plan of a family on a data set.

    Raises:
        SpecError: the family has no model for this task, or a parameter does not fit it.
    """
    family = load_family(name)
    task = dataset.target.task
    request = request_of(dataset, rounds=rounds, estimator=estimator, loaded=loaded)
    problems = family.problems(params, request)
    if task not in family.TASKS:
        problems = [ParamProblem(name="", what=f"{name} has no {task.value} model", fix="choose another family")]
    if problems:
        raise _parameter_error(problems, loaded)
    registry.load("engines", family.ENGINES[0]).version()
    return family.build(params, request)


def request_of(
    dataset: "Dataset", *, rounds: int | None, estimator: str = "", loaded: "LoadedSpec | None" = None
) -> Request:
    """What a family is told about a data set; ``estimator`` is what the spec's spelling names."""
    from trainwright.data.image_features import image_shape

    return Request(
        task=dataset.target.task,
        num_classes=dataset.target.num_classes,
        rows=len(dataset.train),
        columns=len(dataset.schema.features),
        rounds=rounds,
        target_is_count=dataset.target.is_count,
        estimator=estimator if loaded is None else located(loaded, estimator),
        image=image_shape(dataset.train, dataset.schema),
        base="" if loaded is None else str(loaded.base),
    )


def _parameter_error(problems: list[ParamProblem], loaded: "LoadedSpec | None") -> TrainwrightError:
    if loaded is None:
        return SpecError("; ".join(f"{p.name}: {p.what}. {p.fix}".strip() for p in problems))
    from trainwright.spec.load import spec_error

    prefix = "architecture.architecture_spec."
    return spec_error(
        [loaded.mistake(prefix + p.name if p.name else "architecture.model_type", p.what, p.fix) for p in problems]
    )


def _metric(loaded: "LoadedSpec", path: str, task: Task) -> Metric:
    from trainwright.spec.load import spec_error

    stopping = loaded.spec.training.early_stopping
    name = loaded.spec.training.metric if path == "training.metric" or stopping is None else stopping.metric
    try:
        return find(str(name), task)
    except SpecError as error:
        raise spec_error([loaded.mistake(path, error.message)]) from error


def stopping_rule(loaded: "LoadedSpec", task: Task, primary: Metric, model: ModelPlan) -> tuple[Metric, int, float]:
    stopping = loaded.spec.training.early_stopping
    loss = loss_metric(task)
    watch = primary if primary.smooth else loss
    if stopping is None:
        return watch, 0, 0.0
    if stopping.metric is not None:
        watch = _metric(loaded, "training.early_stopping.metric", task)
    patience = model.patience if stopping.patience is None else stopping.patience
    return watch, patience if model.patience else 0, stopping.min_delta
