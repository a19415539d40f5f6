"""The gradients of a finished run's network, for a batch of its training rows. Nothing is trained."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core import registry
from trainwright.core.code_files import UNTRUSTED, is_code
from trainwright.core.errors import ArtifactRefused, DataRefused, SpecError
from trainwright.core.seeds import Seeds
from trainwright.doctor.gradients import Gradients
from trainwright.engines.contract import ShowsGradients, Table
from trainwright.fit.jobs import take
from trainwright.run.files import read_json, write_bytes
from trainwright.run.folder import RunFolder, open_run
from trainwright.run.hashes import verify_sealed
from trainwright.spec.load import LoadedSpec, spec_error
from trainwright.stages.launch import PARTS, load_spec, stored_document, stored_frames

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset

_ROWS = 64  # where the spec leaves the batch size to be found out; as the experiments before training take
_MOST_ROWS = 256  # assumption: a mean over more rows says no more, and takes the time of a step on the CPU


def gradients_of_run(run: Path, *, trust_code: bool = False) -> tuple[Gradients, Path]:
    """Gradients at the selected round, and the figure of them in the run's ``plots/``.

    Raises:
        SpecError: the model is no network; or the run needs Python code and ``trust_code`` is not set.
        ArtifactRefused: there is no finished run, or it is damaged.
        DataRefused: the data is not the data the run began with.
    """
    folder = open_run(run)
    if not folder.model.is_dir():
        raise ArtifactRefused(f"{run} has no model yet. `trainwright resume {run}` finishes it.")
    verify_sealed(folder.model)
    facts = read_json(folder.model / "scorer.json")
    engine = registry.load("engines", str(facts.get("engine")))
    if not isinstance(engine, ShowsGradients):
        raise SpecError(f"gradients need a network, and the model of {run} is one of {facts.get('engine')}.")
    if facts.get("code") and not trust_code:
        raise SpecError(f"the model of {run} is Python code, which is not run unasked. Allow it with --trust-code.")
    gradients = engine.gradients(
        folder.model / "member-0" / "model", _batch(folder, trust_code=trust_code), trust_code=trust_code
    )
    return gradients, _plot(folder, gradients)


def _batch(folder: RunFolder, *, trust_code: bool) -> Table:
    """Training rows, drawn the same each time, with the features the model was trained on."""
    from trainwright.data.features import load_features

    features = load_features(folder.model / "member-0" / "features")
    with tempfile.TemporaryDirectory(prefix="trainwright-rows-", ignore_cleanup_errors=True) as scratch:
        loaded, dataset = _dataset(folder, Path(scratch) if trust_code else None, trust_code=trust_code)
        size = loaded.spec.training.batch_size
        rows = min(size if isinstance(size, int) else _ROWS, _MOST_ROWS, len(dataset.train))
        drawn = Seeds(loaded.spec.seed).generator("gradients").choice(len(dataset.train), rows, replace=False)
        part = take(dataset.train, drawn, "train")
        return Table(X=features.transform(part.frame), y=part.y, weight=None)


def _dataset(folder: RunFolder, scratch: Path | None, *, trust_code: bool) -> "tuple[LoadedSpec, Dataset]":
    from trainwright.data.prepare import load_dataset

    record = read_json(folder.record)
    launch, digests = record.get("launch"), record.get("digests")
    if not isinstance(launch, dict) or not isinstance(digests, dict):
        raise ArtifactRefused(f"{folder.record} does not say how the run was started.")
    frames = stored_frames(folder.path)
    overrides = [str(o) for o in launch.get("overrides") or []]
    base = Path(str(launch.get("base")))
    document = stored_document(folder.path)
    loaded = load_spec(folder.path / "spec.yaml", overrides, base=base, frames=frames, document=document)
    code = [f"data.{p}_path" for p in PARTS if is_code(getattr(loaded.spec.data, f"{p}_path") or "")]
    if code and not trust_code:
        raise spec_error([loaded.mistake(path, *UNTRUSTED) for path in code])
    spec = loaded.spec
    dataset = load_dataset(spec.data, task=spec.task, seed=spec.seed, base=base, frames=frames, scratch=scratch)
    if dataset.fingerprint["digest"] != digests.get("data"):
        raise DataRefused(f"the data changed since {folder.path.name} began. Put the files back.")
    return loaded, dataset


def _plot(folder: RunFolder, gradients: Gradients) -> Path:
    from trainwright.report.figures import gradients as figure
    from trainwright.report.figures import style

    rows = [figure.Row(g.layer, g.mean, g.std, g.norm, g.verdict.value) for g in gradients.layers]
    path = folder.path / "plots" / "gradients.png"
    with style.look():
        write_bytes(path, style.png(figure.layer_gradients(rows, loss=gradients.loss, batch=gradients.rows)))
    return path
