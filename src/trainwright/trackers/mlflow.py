"""MLflow: a SQLite store beside the runs, or a server.

The store is asked for what it has before anything is sent, so a resume, whatever was killed, doubles nothing. The id of
MLflow's run is kept in the run folder; where it is lost, the run is found by its tag.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainwright.core.secrets import hidden
from trainwright.run.files import read_json, write_json
from trainwright.spec.section import Section
from trainwright.trackers._content import model_files
from trainwright.trackers.contract import Description, Package, Point, Refused, TrackedRun, TrialRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

SUMMARY = "MLflow, in a SQLite file or on a server"
EXTRA = "mlflow"
PACKAGES = ("mlflow", "sqlalchemy", "alembic")
ENVIRONMENT: Mapping[str, str] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds of silence
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # tries are ours
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
_KEY, _TRIAL, _WHOLE, _PARENT = "trainwright.key", "trainwright.trial", "trainwright.whole", "mlflow.parentRunId"
_MODEL = "model"
_MOST = {"metrics": 1000, "params": 100, "tags": 100}  # in one call (mlflow.utils.validation)
_ANSWER_S = 3.0  # assumption: a server that is there answers in this time
_ENDS = {"done": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
_TRIAL_ENDS = {"complete": "FINISHED", "failed": "FAILED"}  # a pruned or cut one was ended: KILLED


class Params(Section):
    """Options of MLflow. User, password and token come from its own variables (``MLFLOW_TRACKING_PASSWORD``...)."""

    uri: str | None = Field(
        None,
        description="A server or a store; MLFLOW_TRACKING_URI by default, else mlflow.db beside the run folders.",
        examples=["http://localhost:5000"],
    )
    experiment: str | None = Field(None, description="The experiment; the spec's name by default.", examples=["churn"])
    register_as: str | None = Field(
        None, alias="register", description="Register the model under this name.", examples=["churn-model"]
    )


def open(params: Params, run: TrackedRun) -> "Mlflow":
    """Find the run's run there, or make one."""
    import mlflow
    from mlflow import MlflowClient

    uri = params.uri or os.environ.get("MLFLOW_TRACKING_URI")
    local = uri is None
    uri = uri or f"sqlite:///{run.root.as_posix()}/mlflow.db"
    if uri.startswith(("http://", "https://")):
        _answers(uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    artifacts = f"{run.root.as_uri()}/mlartifacts" if local else None
    experiment = _experiment(client, params.experiment or run.name, artifacts)
    run_id = _find(client, experiment, run) or _make(client, experiment, run)
    client.update_run(run_id, status="RUNNING")
    write_json(run.state("mlflow"), {"run_id": run_id, "experiment_id": experiment, "uri": hidden(uri)})
    return Mlflow(client, run_id, experiment, run, params, uri)


class Mlflow:
    """See `trainwright.trackers.contract.Tracker`. Trials are nested runs."""

    def __init__(
        self, client: "MlflowClient", run_id: str, experiment: str, run: TrackedRun, params: Params, uri: str
    ) -> None:
        self._client, self._run_id, self._experiment = client, run_id, experiment
        self._run, self._params, self._uri = run, params, uri
        self.where = f"{hidden(uri)}, experiment {experiment}, run {run_id}"

    def known(self) -> Mapping[str, int]:
        """The latest value of every metric has its step."""
        return self._last_steps(self._run_id)

    def known_trials(self) -> frozenset[int]:
        """Nested runs that are marked as whole."""
        return frozenset(number for number, (_, whole) in self._children().items() if whole)

    def describe(self, description: Description) -> None:
        """Parameters that are not there yet (they cannot be changed), tags, and the data as inputs."""
        run = self._client.get_run(self._run_id)
        with _refusals():
            self._log(self._run_id, params=_without(description.params, run.data.params), tags=description.tags)
            there = {given.dataset.name for given in (run.inputs.dataset_inputs if run.inputs else ())}
            given = [_dataset(d) for d in description.data if d.name not in there]
            if given:
                self._client.log_inputs(self._run_id, given)

    def write(self, points: Sequence[Point]) -> None:
        """Metrics, a thousand in a call."""
        with _refusals():
            self._write(self._run_id, points)

    def trial(self, trial: TrialRun) -> None:
        """A nested run; what an interrupted call left of it is completed."""
        with _refusals():
            run_id = self._children().get(trial.number, ("", False))[0] or self._make_child(trial)
            there = self._client.get_run(run_id)
            last = self._last_steps(run_id)
            self._log(run_id, params=_without(trial.params, there.data.params))
            self._write(run_id, [p for p in trial.points if p.at > last.get(p.name, -1)])
            ended = {"trial_time": trial.seconds, **({} if trial.value is None else {trial.metric: trial.value})}
            self._numbers(run_id, {n: v for n, v in ended.items() if n not in last})
            self._log(
                run_id, tags={"trainwright.state": trial.state, "trainwright.reason": trial.reason, _WHOLE: "yes"}
            )
            self._client.set_terminated(run_id, status=_TRIAL_ENDS.get(trial.state, "KILLED"))

    def deliver(self, package: Package) -> None:
        """The final numbers, documents and plots as artifacts, the model, registered where that was asked for."""
        there = self._client.get_run(self._run_id)
        if there.data.tags.get(_WHOLE):
            return
        with _refusals():
            last = self.known()
            self._numbers(self._run_id, {n: v for n, v in package.metrics.items() if n not in last})
            for path in (*package.documents, *package.plots):
                folder = path.parent.relative_to(self._run.folder).as_posix()
                self._client.log_artifact(self._run_id, str(path), None if folder == "." else folder)
            self._log_model(package)
            self._log(self._run_id, tags={**package.tags, _WHOLE: "yes"})

    def close(self, status: Literal["done", "stopped", "failed"]) -> None:
        """Set the run's status."""
        self._client.set_terminated(self._run_id, status=_ENDS[status])

    def _log_model(self, package: Package) -> None:
        """The model in MLflow's form: loaded through `trainwright.apps.pyfunc`, nothing is pickled."""
        import mlflow.pyfunc
        from mlflow.models import infer_signature

        signature = None if package.sample is None else infer_signature(*package.sample)
        with tempfile.TemporaryDirectory(prefix="trainwright-model-") as scratch:
            data = Path(scratch) / "trainwright"
            for name, path in model_files(self._run.folder):
                (data / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, data / name)
            with _as_active_run(self._run_id):
                mlflow.pyfunc.log_model(
                    name=_MODEL,
                    loader_module="trainwright.apps.pyfunc",
                    data_path=str(data),
                    signature=signature,
                    input_example=None if package.sample is None else package.sample[0],
                    pip_requirements=list(package.requirements),
                    registered_model_name=self._params.register_as,
                    tags=dict(package.tags),
                )

    def _last_steps(self, run_id: str) -> dict[str, int]:
        metrics = self._client.get_run(run_id).data._metric_objs  # the public mapping has values without steps
        return {metric.key: int(metric.step) for metric in metrics}

    def _children(self) -> dict[int, tuple[str, bool]]:
        """Number -> (id, whether it is whole) of the nested runs."""
        wanted = f"tags.`{_PARENT}` = '{self._run_id}'"
        found: dict[int, tuple[str, bool]] = {}
        token: str | None = None
        while True:
            page = self._client.search_runs([self._experiment], wanted, max_results=1000, page_token=token)
            for run in page:
                found[int(run.data.tags[_TRIAL])] = (run.info.run_id, _WHOLE in run.data.tags)
            token = page.token
            if not token:
                return found

    def _make_child(self, trial: TrialRun) -> str:
        began = min((p.time_s for p in trial.points), default=time.time())
        tags = {_PARENT: self._run_id, _TRIAL: str(trial.number)}
        made = self._client.create_run(
            self._experiment, start_time=round(1000 * began), tags=tags, run_name=f"trial {trial.number}"
        )
        return str(made.info.run_id)

    def _write(self, run_id: str, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        self._log(run_id, metrics=[Metric(p.name, p.value, round(1000 * p.time_s), p.at) for p in points])

    def _numbers(self, run_id: str, values: Mapping[str, float]) -> None:
        """Values that are no series."""
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        self._log(run_id, metrics=[Metric(name, value, now, 0) for name, value in values.items()])

    def _log(
        self,
        run_id: str,
        *,
        metrics: Sequence[Any] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Batches of the sizes that a server takes."""
        from mlflow.entities import Param, RunTag

        content: dict[str, list[Any]] = {
            "metrics": list(metrics),
            "params": [Param(_name(name), value) for name, value in (params or {}).items()],
            "tags": [RunTag(_name(name), value) for name, value in (tags or {}).items()],
        }
        for kind, all_of_them in content.items():
            for begin in range(0, len(all_of_them), _MOST[kind]):
                self._client.log_batch(run_id, **{kind: all_of_them[begin : begin + _MOST[kind]]})


def _answers(uri: str) -> None:
    """A quick look whether anything answers there: MLflow itself would wait for much longer.

    Raises:
        OSError: nothing does.
    """
    import requests

    try:
        requests.get(uri, timeout=_ANSWER_S, allow_redirects=False, stream=True).close()
    except requests.exceptions.SSLError:
        return  # something answers; whose certificates are trusted is MLflow's own setting


def _experiment(client: "MlflowClient", name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            raise Refused(f"the experiment {name!r} was deleted there. Restore it, or name another one")
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, artifact_location=artifacts))
    except MlflowException:
        found = client.get_experiment_by_name(name)  # another run was quicker
        if found is None:
            raise
        return str(found.experiment_id)


def _find(client: "MlflowClient", experiment: str, run: TrackedRun) -> str | None:
    """The id of this run there: by the run folder, or by its tag."""
    path = run.state("mlflow")
    if path.is_file():
        known = read_json(path)
        if known.get("experiment_id") == experiment:
            return str(known["run_id"])
    found = client.search_runs([experiment], f"tags.`{_KEY}` = '{run.key}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def _make(client: "MlflowClient", experiment: str, run: TrackedRun) -> str:
    began = round(1000 * run.created_s)
    made = client.create_run(experiment, start_time=began, tags={_KEY: run.key}, run_name=run.folder.name)
    return str(made.info.run_id)


def _dataset(facts: Any) -> Any:  # DataFacts in, mlflow.entities.DatasetInput out
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": facts.source})
    profile = json.dumps({"num_rows": facts.rows})
    # 36 characters are all that MLflow keeps of a digest; the whole one is in the source's profile
    dataset = Dataset(name=facts.name, digest=facts.digest[:36], source_type="local", source=source, profile=profile)
    return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", facts.use)])


def _without(values: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if _name(name) not in there}


def _name(name: str) -> str:
    """A name that MLflow takes: letters, digits, and some signs, 250 characters."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-. :/") else "_" for c in name)[:250]


@contextmanager
def _refusals() -> Iterator[None]:
    """What the server will not take another time either is refused; everything else may be tried again."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"):
            raise Refused(error.message) from error
        raise


@contextmanager
def _as_active_run(run_id: str) -> Iterator[None]:
    """``log_model`` takes no run: it is the active one of this process, which is not ended here."""
    import mlflow

    with mlflow.start_run(run_id=run_id):
        yield
