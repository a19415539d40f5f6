"""What MLflow has, as JSON: ``python -m tests.trackers.read_back URI``. In a process of its own, as MLflow warns."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.pipeline.builders import ROOT


def mlflow_runs(uri: str) -> list[dict[str, Any]]:
    """Every run of every experiment: tags, parameters, series, artifacts, and what its model predicts."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.trackers.read_back", uri],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _read(uri: str) -> list[dict[str, Any]]:
    import mlflow
    from mlflow import MlflowClient

    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    found = []
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            run_id = run.info.run_id
            names = list(run.data.metrics)
            points = {n: [(p.step, p.value) for p in client.get_metric_history(run_id, n)] for n in names}
            told = {"name": run.info.run_name, "status": run.info.status, "tags": run.data.tags, "points": points}
            told |= {"id": run_id, "params": run.data.params, "experiment": experiment.name}
            told["data"] = {d.dataset.name: d.dataset.digest for d in run.inputs.dataset_inputs}
            told["artifacts"] = [a.path for folder in ("", "plots") for a in client.list_artifacts(run_id, folder)]
            told["predicted"] = _predicted(run)
            found.append(told)
    models = {m.name: [v.version for v in m.latest_versions] for m in client.search_registered_models()}
    return [*found, {"registered": models}]


def _predicted(run: Any) -> list[Any]:
    import mlflow.pyfunc

    outputs = run.outputs.model_outputs if run.outputs else []
    if not outputs:
        return []
    model = mlflow.pyfunc.load_model(f"models:/{outputs[0].model_id}")
    assert model.metadata.signature is not None
    frame = model.predict(model.input_example)
    return [list(frame.columns), frame.iloc[:, -1].tolist()]


if __name__ == "__main__":
    answer = json.dumps(_read(sys.argv[1]))
    sys.stdout.write(f"\n{answer}\n")
