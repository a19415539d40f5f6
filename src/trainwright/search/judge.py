"""What is wrong with ``hyperparameter_search``, told before any data is read, with the line it stands on."""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from trainwright.core.errors import SpecError, TrainwrightError
from trainwright.core.jsonable import JsonValue
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.families.contract import Family, ParamProblem, Range, Request
from trainwright.fit.plan import TWICE, family_of, is_model_code, load_family, located
from trainwright.fit.replan import CLASS_WEIGHT, CLASS_WEIGHTS, is_of_training
from trainwright.search.space import GRID_LIMIT, in_order, points, read_space, size

if TYPE_CHECKING:
    from trainwright.spec.load import LoadedSpec, Mistake

_SECTION = "hyperparameter_search"
_SPACE = f"{_SECTION}.search_space"


def judge_search(loaded: "LoadedSpec") -> Iterator["Mistake"]:
    """Mistakes of the section that families, samplers and ranges can tell together."""
    spec = loaded.spec
    wanted = spec.hyperparameter_search
    if wanted is None:
        return
    yield from _judge_keys(loaded)
    try:
        name, estimator = family_of(spec)
    except SpecError:
        return  # an unknown family is told elsewhere
    if is_model_code(spec.architecture.model_type) and not wanted.search_space:
        yield loaded.mistake(_SECTION, "an own model has no search space of its own", "Write search_space")
        return
    family = load_family(name)
    if not wanted.search_space and not family.SPACE:
        yield loaded.mistake(_SECTION, f"{name} has no search space of its own", "Write search_space")
        return
    try:
        space = read_space(wanted.search_space) if wanted.search_space else in_order(family.SPACE)
    except ValueError as error:
        yield loaded.mistake(_SPACE, str(error), "Remove one of the conditions")
        return
    except (KeyError, TypeError, AttributeError):
        return  # a broken range is told elsewhere
    yield from _judge_conditions(loaded, space)
    if wanted.method == "grid":
        yield from _judge_grid(loaded, space)
    yield from _judge_class_weight(loaded, space)
    if wanted.search_space:
        ours = {name: dimension for name, dimension in space.items() if not is_of_training(loaded, name)}
        yield from _judge_twice(loaded, space)
        yield from _judge_limits(loaded, family, ours, located(loaded, estimator))


def _judge_keys(loaded: "LoadedSpec") -> Iterator["Mistake"]:
    """Keys that have no effect beside others, or need what is not there."""
    spec = loaded.spec
    wanted = spec.hyperparameter_search
    assert wanted is not None
    if wanted.sampler != "tpe" and wanted.method != "bayesian":
        what = f"a sampler has no effect on a {wanted.method} search"
        yield loaded.mistake(f"{_SECTION}.sampler", what, "Write method: bayesian, or remove it", code="no_effect")
    if wanted.sampler == "gp" and importlib.util.find_spec("torch") is None:
        fix = "Install it with: pip install 'trainwright[torch]', or write sampler: tpe"
        yield loaded.mistake(f"{_SECTION}.sampler", "Optuna's Gaussian process needs torch", fix, code="unavailable")
    if wanted.pruner == "wilcoxon" and wanted.folds is None:
        what = "Wilcoxon's test compares folds, and the trials are judged by validation rows"
        yield loaded.mistake(f"{_SECTION}.pruner", what, "Write folds: 5, or another pruner", code="no_effect")
    if wanted.folds is not None and wanted.pruner not in ("auto", "none", "wilcoxon"):
        what = f"{wanted.pruner} compares trials on the same rows, and these are judged by folds"
        yield loaded.mistake(f"{_SECTION}.pruner", what, "Write pruner: wilcoxon, or remove it", code="no_effect")
    if wanted.folds is not None and spec.task == "language":
        what = "a language model is judged by validation text, not by folds"
        yield loaded.mistake(f"{_SECTION}.folds", what, "Remove it", code="no_effect")
    if wanted.optimism == "bootstrap" and wanted.optimism_folds is not None:
        what = "the bootstrap over validation rows has no folds"
        yield loaded.mistake(f"{_SECTION}.optimism_folds", what, "Write optimism: nested", code="no_effect")
    if wanted.optimism != "bootstrap" and spec.task == "language":
        what = "a language model is judged by validation text, which is not divided into folds"
        yield loaded.mistake(f"{_SECTION}.optimism", what, "Remove it", code="no_effect")
    if wanted.cheap_trials and (wanted.folds is not None or wanted.method == "grid"):
        what = "every point of a grid, and every trial that is judged by folds, sees all rows"
        yield loaded.mistake(f"{_SECTION}.cheap_trials", what, "Remove it", code="no_effect")
    if not wanted.deterministic and wanted.parallel == 1:
        what = "one trial after the other is deterministic"
        yield loaded.mistake(f"{_SECTION}.deterministic", what, "Remove it, or write parallel: 2", code="no_effect")
    if wanted.storage is not None:
        yield from _judge_storage(loaded, wanted.storage)
        if wanted.parallel > 1:
            what = "workers that share a database each train one trial at a time"
            fix = "Remove it, and start `trainwright search-worker RUN` as often as you like"
            yield loaded.mistake(f"{_SECTION}.parallel", what, fix, code="no_effect")
        if wanted.method == "grid":
            what = "a grid is not shared by several machines in this version"
            yield loaded.mistake(f"{_SECTION}.storage", what, "Write parallel instead", code="conflict")


def _judge_storage(loaded: "LoadedSpec", url: str) -> Iterator["Mistake"]:
    path = f"{_SECTION}.storage"
    parts = urlsplit(url)
    if not parts.scheme or (not parts.netloc and not parts.path):
        fix = "Write for example postgresql+psycopg://user@host/trials"
        yield loaded.mistake(path, "this is no URL of a database", fix)
    elif parts.password:
        what = "a password does not belong in a spec, which is copied into every run folder"
        yield loaded.mistake(path, what, "Leave it to the database's own: PGPASSFILE or PGPASSWORD", code="secret")


def _judge_conditions(loaded: "LoadedSpec", space: Mapping[str, Range]) -> Iterator["Mistake"]:
    fixed = loaded.spec.architecture.architecture_spec
    for name, dimension in space.items():
        for parent, values in dimension.when.items():
            path = f"{_SPACE}.{name}.when.{parent}"
            if parent in fixed:
                continue
            if parent not in space:
                what = f"{parent} is neither searched nor fixed, so the condition never holds"
                yield loaded.mistake(path, what, f"Search {parent} too, or write it under architecture_spec")
            elif space[parent].choices and not any(v in space[parent].choices for v in values):
                what = f"{parent} is never one of {', '.join(map(str, values))}"
                yield loaded.mistake(path, what, f"Its choices: {', '.join(map(str, space[parent].choices))}")


def _judge_grid(loaded: "LoadedSpec", space: Mapping[str, Range]) -> Iterator["Mistake"]:
    broken = False
    for name, dimension in space.items():
        try:
            points(dimension)
        except ValueError as error:
            broken = True
            yield loaded.mistake(f"{_SPACE}.{name}", f"{name}: {error}", "Or write method: bayesian", code="range")
    fixed = cast(Mapping[str, JsonValue], loaded.spec.architecture.architecture_spec)
    if not broken and (size(space, fixed) or 0) > GRID_LIMIT:
        what = f"the grid has more than {GRID_LIMIT:,} points"
        yield loaded.mistake(_SPACE, what, "Write fewer values, or method: bayesian", code="range")


def _judge_class_weight(loaded: "LoadedSpec", space: Mapping[str, Range]) -> Iterator["Mistake"]:
    """Weights of classes in a space of the user's: only the names that ``training.class_weight`` knows."""
    dimension, spec = space.get(CLASS_WEIGHT), loaded.spec
    if dimension is None:
        return
    path, names = f"{_SPACE}.{CLASS_WEIGHT}", ", ".join(map(str, CLASS_WEIGHTS))
    if not dimension.choices or any(choice not in CLASS_WEIGHTS for choice in dimension.choices):
        yield loaded.mistake(path, f"weights of classes are one of {names}", f"Write class_weight: [{names}]")
    elif spec.task == "regression":
        yield loaded.mistake(path, "class_weight has no effect in a regression", "Remove it", code="no_effect")
    elif spec.training.class_weight != "none":
        yield loaded.mistake(
            path, "training.class_weight fixes what is searched here", "Keep one of them", code="conflict"
        )
    wanted = spec.hyperparameter_search
    if wanted is not None and wanted.pruner not in ("auto", "none", "wilcoxon"):
        what = f"{wanted.pruner} compares losses, and those of trials with other weights of classes say nothing"
        yield loaded.mistake(f"{_SECTION}.pruner", what, "Remove it", code="conflict")


def _judge_twice(loaded: "LoadedSpec", space: Mapping[str, Range]) -> Iterator["Mistake"]:
    """What ``training`` fixes, and what it calls by another name than a search does."""
    for path, name in TWICE.items():
        section, _, last = path.rpartition(".")
        holder = getattr(loaded.spec.training, section, None) if section else loaded.spec.training
        if name in space and getattr(holder, last, None) is not None:
            what = f"training.{path} fixes what is searched here"
            yield loaded.mistake(f"{_SPACE}.{name}", what, "Keep one of them", code="conflict")


def _judge_limits(
    loaded: "LoadedSpec", family: Family, space: Mapping[str, Range], estimator: str
) -> Iterator["Mistake"]:
    """Ends and choices that the family would refuse as values, and names it does not know."""
    spec = loaded.spec
    tasks = [Task(spec.task)] if spec.task != "auto" else sorted(family.TASKS & TABLE_TASKS)
    for name, dimension in space.items():
        probes = list(_probes(dimension))
        by_probe = [
            _least_problems(family, spec.training.limit, tasks, estimator, loaded, space, name, v) for _, v in probes
        ]
        if all(by_probe) and len({found[0].what for found in by_probe}) == 1:
            problem = by_probe[0][0]
            yield loaded.mistake(f"{_SPACE}.{name}", problem.what, problem.fix, code="range")
            continue
        for (key, _), found in zip(probes, by_probe, strict=True):
            written = loaded.spec.hyperparameter_search
            as_list = written is not None and isinstance(written.search_space.get(name), list | tuple)
            inner = key.removeprefix("choices.") if as_list else key
            for problem in found[:1]:
                yield loaded.mistake(f"{_SPACE}.{name}.{inner}", problem.what, problem.fix, code="range")


def _probes(dimension: Range) -> Iterator[tuple[str, JsonValue]]:
    for number, value in enumerate(dimension.choices):
        yield f"choices.{number}", value
    for key, end in (("low", dimension.low), ("high", dimension.high)):
        if end is not None:
            yield key, int(end) if dimension.integer else end


def _least_problems(
    family: Family,
    rounds: int | None,
    tasks: Sequence[Task],
    estimator: str,
    loaded: "LoadedSpec",
    space: Mapping[str, Range],
    name: str,
    value: JsonValue,
) -> list[ParamProblem]:
    """The problems that a value has whatever the task and whatever other choices are made."""
    fixed = cast(Mapping[str, JsonValue], loaded.spec.architecture.architecture_spec)
    parents = {parent: values[0] for parent, values in space[name].when.items()}
    contexts = [parents] + [
        {**parents, other: choice} for other, r in space.items() if other != name for choice in r.choices
    ]
    least: list[ParamProblem] | None = None
    for task in tasks:
        classes = {Task.BINARY: 2, Task.MULTICLASS: 3}.get(task, 0)
        request = Request(task=task, num_classes=classes, rounds=rounds, estimator=estimator)
        for context in contexts:
            try:
                found = family.problems({**fixed, **context, name: value}, request)
            except TrainwrightError:
                return []  # what is missing for an answer is told elsewhere
            mine = [p for p in found if p.name == name]
            if not mine:
                return []
            least = mine if least is None else least
    return least or []
