"""The stages before training: data, plan, checks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from trainwright.core import registry
from trainwright.core.errors import DataRefused, SpecError
from trainwright.core.jsonable import JsonValue, to_json
from trainwright.core.tasks import Task
from trainwright.data.language import STRETCH
from trainwright.fit.jobs import Prepared, prepare_job
from trainwright.fit.plan import TWICE, Plan, family_of, framework_of, load_family, make_plan, request_of
from trainwright.fit.recipe import recipe_values
from trainwright.fit.replan import CLASS_WEIGHT, renamed
from trainwright.fit.spread import world_of
from trainwright.run.files import read_json, write_json, write_text
from trainwright.spec.load import spec_error
from trainwright.spec.repairs import Repeat
from trainwright.stages.work import Work

if TYPE_CHECKING:
    from trainwright.checks.contract import CheckResult
    from trainwright.data.dataset import Dataset


def read_data(work: Work) -> "Dataset":
    """Read, understand and split the data; its facts go to ``data/``.

    Raises:
        SpecError: the spec names columns that the data does not have.
        DataRefused: the data cannot be used, or is not the data the run began with.
    """
    from trainwright.data.prepare import load_dataset
    from trainwright.data.store import save_dataset_facts

    spec = work.loaded.spec
    with work.stage("data"):
        try:
            dataset = load_dataset(
                spec.data,
                task=spec.task,
                seed=spec.seed,
                base=work.loaded.base,
                frames=work.frames,
                scratch=work.folder.scratch / "data",  # code was asked for when the run was opened
            )
        except SpecError as error:
            raise _placed(work, error) from error
        digest = str(dataset.fingerprint["digest"])
        digests = work.record["digests"]
        assert isinstance(digests, dict)
        if digests.get("data", digest) != digest:
            raise DataRefused(
                f"the data changed since {work.folder.path.name} began (digest {str(digests['data'])[:12]}..., "
                f"now {digest[:12]}...). Put the files back, or start a new run with `trainwright train`."
            )
        digests["data"] = digest
        save_dataset_facts(dataset, work.folder.data)
        work.add(dataset.findings)
        work.record |= _data_facts(dataset)
        if dataset.target.task is Task.LANGUAGE:
            work.record["stretch"] = spec.data.stretch or STRETCH
        work.record["missing_values"] = to_json(spec.data.missing_values)
    return dataset


def _placed(work: Work, error: SpecError) -> SpecError:
    """The error with the line and column of every place it names."""
    if not error.places:
        return error
    return spec_error([work.loaded.mistake(path, what) for path, what in error.places])


def plan_training(work: Work, dataset: "Dataset", *, simpler: str | None = None) -> Plan:
    """Settle the model (``simpler`` names another family), and write ``resolved.yaml`` with every value's origin."""
    plan = make_plan(work.loaded, dataset, threads=work.threads, simpler=simpler)
    if simpler is not None:
        work.record.pop("repairs", None)  # they are those of the model that is left
    work.add(plan.findings)
    write_resolved(work, dataset, plan)
    return plan


def choose_threads(work: Work, dataset: "Dataset", plan: Plan, prepared: Prepared) -> tuple[Plan, Prepared]:
    """Settle the number of threads by measuring, where the engine can and the spec does not say.

    Once in a run: it is part of the result, and a resume keeps it.
    """
    engine = registry.load("engines", plan.model.engine)
    if work.loaded.spec.training.threads or "threads_measured" in work.record or not hasattr(engine, "choose_threads"):
        return plan, prepared
    with work.stage("threads"):
        world, _ = world_of(work.loaded.spec.training.distributed, plan.device)
        threads, finding = engine.choose_threads(prepared.job, max(1, work.threads // world.processes))
        work.threads = work.record["threads"] = threads
        work.record["threads_measured"] = True
        work.add([finding])
    plan = replace(plan, threads=threads)
    write_resolved(work, dataset, plan)
    return plan, replace(prepared, job=replace(prepared.job, threads=threads))


def write_resolved(work: Work, dataset: "Dataset", plan: Plan) -> None:
    from trainwright.spec.resolve import resolved_yaml

    settled = settled_values(work, dataset, plan)
    write_text(work.folder.path / "resolved.yaml", resolved_yaml(work.loaded, settled))


def settled_values(work: Work, dataset: "Dataset", plan: Plan) -> dict[str, tuple[object, str]]:
    """What the run decided: dotted path in the spec -> (value, origin)."""
    estimator = family_of(work.loaded.spec)[1]
    settled: dict[str, tuple[object, str]] = {
        "name": (work.loaded.name, "from the file name"),
        "task": (dataset.target.task.value, "inferred from the target"),
        "architecture.model_type": (estimator or plan.model.family, "chosen"),
        "training.framework": (framework_of(plan.model.engine), "the family's engine"),
        "training.device": (plan.device, "chosen"),
        "training.threads": (plan.threads, "measured" if "threads_measured" in work.record else "cores available"),
        "training.metric": (plan.primary.name, "default for the task"),
        _limit_key(work): (plan.model.rounds, "family default"),
    }
    if plan.model.family == family_of(work.loaded.spec)[0]:
        for path, value in recipe_values(plan.model).items():
            settled[f"training.{path}"] = (value, _origin(work, f"training.{path}"))
    given, searched = _given_params(work, plan), searched_params(work, plan)
    elsewhere = {key for path, key in TWICE.items() if f"training.{path}" in settled}
    for key, value in best_params(work, dataset, plan).items():
        if key == CLASS_WEIGHT:
            settled["training.class_weight"] = (value, _trial(work))
        elif key not in given and key not in elsewhere:
            origin = _trial(work) if key in searched else "family default"
            settled[f"architecture.architecture_spec.{key}"] = (value, origin)
    for path, key in TWICE.items():
        if key in searched and f"training.{path}" in settled:
            settled[f"training.{path}"] = (settled[f"training.{path}"][0], _trial(work))
    if searched:
        settled["hyperparameter_search"] = (None, f"done: {_trial(work)} is above, all trials are in search/")
    if repeat := _repairs(work):
        settled["training.repairs.repeat"] = (repeat, "repair")
    if work.loaded.document is not None:
        settled["architecture.artifact"] = (None, "read: what it says is in this file, its text in document.md")
    if dataset.target.task is Task.LANGUAGE:
        settled["data.stretch"] = (work.record["stretch"], "default")
    return settled


def _repairs(work: Work) -> list[dict[str, object]]:
    """What the doctor did, in the form in which a spec repeats it."""
    made = work.record.get("repairs")
    if not isinstance(made, list):
        return []
    return [{key: one[key] for key in Repeat.model_fields if key in one} for one in made if isinstance(one, Mapping)]


def _trial(work: Work) -> str:
    """The origin of what the search chose."""
    found = work.record.get("search")
    assert isinstance(found, Mapping)
    return f"trial {found['number']}"


def _limit_key(work: Work) -> str:
    """The name the spec uses for the ceiling of rounds."""
    return "training.epochs" if work.loaded.spec.training.epochs is not None else "training.rounds"


def _origin(work: Work, path: str) -> str:
    """``given`` or ``override`` where the spec set the value or a text for its whole section, else the family's."""
    origins = work.loaded.origins
    found = origins.get(path, origins.get(path.rpartition(".")[0], "default"))
    return "family default" if found == "default" else found


def best_params(work: Work, dataset: "Dataset", plan: Plan) -> dict[str, JsonValue]:
    """The family's parameters as used: its defaults, the spec's values over them."""
    estimator = family_of(work.loaded.spec)[1]
    request = request_of(dataset, rounds=work.loaded.spec.training.limit, estimator=estimator, loaded=work.loaded)
    family = load_family(plan.model.family)
    chosen = {**_given_params(work, plan), **searched_params(work, plan)}
    params = {**renamed(family, family.defaults(request), chosen, request), **chosen}
    return {**params, **{key: value for key, value in _trained_with(plan).items() if key in params}}


def _trained_with(plan: Plan) -> dict[str, JsonValue]:
    """The family's names of what the training section may set as well, with the values that were used."""
    values = recipe_values(plan.model)
    return {key: values[path] for path, key in TWICE.items() if path in values}


def searched_params(work: Work, plan: Plan) -> Mapping[str, JsonValue]:
    """What the search chose for this plan's family; nothing where there was none."""
    found = work.record.get("search")
    if not isinstance(found, Mapping) or found.get("family") != plan.model.family:
        return {}
    return cast(Mapping[str, JsonValue], found.get("params") or {})


def _given_params(work: Work, plan: Plan) -> Mapping[str, JsonValue]:
    """The spec's own parameters; none where another family than the spec's was chosen in the end."""
    if plan.model.family != family_of(work.loaded.spec)[0]:
        return {}
    return cast(Mapping[str, JsonValue], work.loaded.spec.architecture.architecture_spec)


def check_data(work: Work, dataset: "Dataset") -> list["CheckResult"]:
    """Look for leaks, drift and broken targets.

    Raises:
        DataRefused: a check that was not lifted found something that blocks.
    """
    from trainwright.checks.examine import examine_data

    if work.is_done("checks", work.folder.path / "checks.json"):
        return []
    with work.stage("data_checks"):
        results = examine_data(dataset, lifted=work.loaded.spec.checks)
        _conclude(work, results)
    return results


def prepare_training(work: Work, dataset: "Dataset", plan: Plan) -> Prepared:
    """Fit the features on training rows and make the job of the final model."""
    with work.stage("features"):
        prepared = prepare_job(
            dataset,
            dataset.train,
            dataset.val,
            plan.model,
            seeds=work.seeds,
            threads=plan.threads,
            device=plan.device,
            class_weight=plan.class_weight,
            workdir=work.folder.scratch / "fit",
            pipeline=work.pipeline,
        )
        work.add(prepared.features.findings)
    return prepared


def check_model(work: Work, dataset: "Dataset", prepared: Prepared) -> list["CheckResult"]:
    """Try the model on a few rows, estimate its cost, and look at the machine.

    Raises:
        ChecksFailed: the model is not fit for training, or cannot meet the time budget.
        ResourceMissing: disk, memory or device will not do.
    """
    from trainwright.checks.examine import examine_model

    if work.is_done("checks", work.folder.path / "checks.json"):
        return []
    deadline = work.deadline_s
    remaining = None if deadline is None else deadline - work.clock.elapsed()
    lifted = work.loaded.spec.checks
    with work.stage("checks"):
        results = examine_model(dataset, prepared.job, lifted=lifted, time_budget_s=remaining, clock=work.clock)
        _conclude(work, results)
    return results


def _conclude(work: Work, results: list["CheckResult"]) -> None:
    """Write the results beside earlier ones, take note of findings, and stop on those that block."""
    from trainwright.checks.contract import raise_if_blocked

    path = work.folder.path / "checks.json"
    stored = read_json(path)["checks"] if path.exists() else []
    names = {r.name for r in results}
    kept = [c for c in stored if isinstance(c, Mapping) and c["name"] not in names] if isinstance(stored, list) else []
    write_json(path, {"checks": [*kept, *(r.to_json() for r in results)]})
    work.add([f for result in results for f in result.findings])
    raise_if_blocked(results)


def _data_facts(dataset: "Dataset") -> dict[str, JsonValue]:
    sizes: dict[str, JsonValue] = {"train": len(dataset.train), "val": len(dataset.val)}
    if dataset.test is not None:
        sizes["test"] = dataset.test.num_rows
    target = dataset.target
    return {
        "task": target.task.value,
        "target": {"name": target.name, "expression": target.expression, "classes": list(target.classes)},
        "data": {
            "rows": sizes,
            "columns": len(dataset.schema.columns),
            "features": len(dataset.schema.features),
            "split": {
                "strategy": dataset.split.strategy,
                "column": dataset.split.column,
                "why": dataset.split.why,
            },
            "memory_bytes": dataset.memory_bytes,
        },
    }
