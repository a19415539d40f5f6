"""Opening a run: a new one from a spec, or an old one from its folder."""

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright import __version__
from trainwright.core.clock import Clock, SystemClock
from trainwright.core.code_files import UNTRUSTED, is_code
from trainwright.core.errors import ArtifactRefused, SpecError, Stopped
from trainwright.core.findings import finding_from_json
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.fit.exports.judge import judge_exports
from trainwright.fit.plan import family_of, is_model_code, judge_model, load_family
from trainwright.fit.recorder import Listener, Recorder
from trainwright.fit.stop import stop_on_signals
from trainwright.run.checkpoints import read_checkpoint
from trainwright.run.environment import available_cores, describe_environment
from trainwright.run.files import drop_temporary, read_json, write_bytes, write_json, write_text
from trainwright.run.folder import RunFolder, create_run, open_run
from trainwright.run.hashes import sha256_value
from trainwright.run.lock import locked
from trainwright.search.judge import judge_search
from trainwright.spec.load import LoadedSpec, Mistake, load, spec_error
from trainwright.stages.tracking import need_trackers
from trainwright.stages.work import Work
from trainwright.trackers.jsonl import EventLog

if TYPE_CHECKING:
    import pandas as pd

    from trainwright.data.pipelines import FeaturePipeline

PARTS = ("train", "val", "test")
DOCUMENT = "document.md"
"""The run's copy of the architect's document: a resume reads what the run began with."""


def load_spec(
    spec: str | Path | Mapping[str, object],
    overrides: Sequence[str],
    *,
    base: Path | None = None,
    frames: "Mapping[str, pd.DataFrame] | None" = None,
    document: Path | None = None,
) -> LoadedSpec:
    """Load a spec with everything families, engines and checks have to say about it.

    ``document`` is a run's own copy of the architect's document.

    Raises:
        SpecError: with all mistakes.
    """
    from trainwright.data.header import column_names

    def columns(path: Path | None) -> Sequence[str]:
        if frames:
            return [str(name) for name in frames["train"].columns]
        return [] if path is None else column_names(path)

    return load(
        spec,
        overrides=overrides,
        base=base,
        frames=bool(frames),
        judges=[judge_model, judge_search, judge_checks, judge_exports],
        columns=columns,
        document=document,
    )


def judge_checks(loaded: LoadedSpec) -> list[Mistake]:
    """Names under ``checks:`` that are no checks, or none that this spec's model is put to."""
    if not loaded.spec.checks:
        return []
    from trainwright.checks.examine import known_names
    from trainwright.core.registry import unknown

    mistakes = []
    for name in loaded.spec.checks:
        if name not in known_names():
            mistakes.append(loaded.mistake(f"checks.{name}", unknown("check", name, known_names())))
        elif fix := _without_effect(loaded, name):
            what = f"{name} is not asked of {loaded.spec.architecture.model_type}"
            mistakes.append(loaded.mistake(f"checks.{name}", what, fix, code="no_effect"))
    return mistakes


def _without_effect(loaded: LoadedSpec, name: str) -> str:
    """What to do about a check that the spec's model is not put to; empty where it is, or where nobody knows yet."""
    from trainwright.checks.experiments import known_experiments
    from trainwright.checks.model_checks import MEMORISES

    if loaded.spec.architecture.model_type == "auto":
        return ""
    try:
        engine = load_family(family_of(loaded.spec)[0]).ENGINES[0]
    except SpecError:  # `judge_model` says it
        return ""
    known = known_experiments()
    made = known.get(engine, ())
    if name == MEMORISES and made:
        return f"Experiments take its place: {', '.join(made)}"
    of_others = {experiment for names in known.values() for experiment in names} - set(made)
    return "Remove it: it is an experiment on networks" if name in of_others else ""


@contextmanager
def new_run(
    spec: str | Path | Mapping[str, object],
    *,
    overrides: Sequence[str],
    root: Path,
    frames: "Mapping[str, pd.DataFrame]",
    trust_code: bool,
    listener: Listener | None,
    clock: Clock | None = None,
    base: Path | None = None,
    document: Path | None = None,
) -> Iterator[Work]:
    """Make a run folder and work in it; how it ended is written whatever happens.

    ``base`` is the folder that the spec's relative paths start from, where it is not the spec's own; ``document`` the
    copy of the architect's document that another run keeps.
    """
    clock = clock or SystemClock()
    loaded = load_spec(spec, overrides, base=base, frames=frames, document=document)
    need_trackers(loaded.spec)
    pipeline = _pipeline(loaded, trust_code=trust_code, frames=frames)
    folder = create_run(root, loaded.name, clock.now())
    _store_frames(folder, frames)
    write_text(folder.path / "spec.yaml", loaded.text)
    if loaded.document is not None:
        write_text(folder.path / DOCUMENT, loaded.document)
    record: dict[str, JsonValue] = {
        "format": 1,
        "name": loaded.name,
        "run": folder.path.name,
        "version": __version__,
        "status": "running",
        "created": f"{clock.now():%Y-%m-%dT%H:%M:%SZ}",
        "finished": None,
        "launch": {"base": str(loaded.base), "overrides": list(overrides), "frames": sorted(frames)},
        "threads": loaded.spec.training.threads or available_cores(),
        "digests": {"spec": sha256_value(loaded.spec.model_dump(mode="python"))},
        "test_openings": [],
    }
    write_json(folder.record, record)
    with _working(folder, loaded, record, pipeline, listener, clock) as work:
        yield work


@contextmanager
def old_run(
    run: Path,
    *,
    trust_code: bool,
    listener: Listener | None,
    processes: int | None = None,
    clock: Clock | None = None,
) -> Iterator[Work]:
    """Go on in an existing run folder, with its own spec, overrides and thread count; by ``processes`` if given.

    Raises:
        ArtifactRefused: no run, a damaged one, or one of another version.
        ResourceMissing: another process holds it.
    """
    folder = open_run(run)
    record = read_json(folder.record)
    if record.get("version") != __version__:
        raise ArtifactRefused(f"{run} was made by Trainwright {record.get('version')}, this is {__version__}")
    launch = record.get("launch")
    if not isinstance(launch, Mapping):
        raise ArtifactRefused(f"{run}/run.json does not say how the run was started")
    overrides = [str(o) for o in _items(launch.get("overrides"))]
    names = [str(n) for n in _items(launch.get("frames"))]
    spec, base = folder.path / "spec.yaml", Path(str(launch["base"]))
    frames = stored_frames(folder.path)
    document = stored_document(folder.path)
    loaded = load_spec(spec, overrides, base=base, frames=frames, document=document)
    if processes is not None:
        overrides = _by_processes(loaded, overrides, processes)
        loaded = load_spec(spec, overrides, base=base, frames=frames, document=document)
        record["launch"] = {**launch, "overrides": list(overrides)}
    loaded = replace(loaded, name=str(record["name"]))
    need_trackers(loaded.spec)
    pipeline = _pipeline(loaded, trust_code=trust_code, frames=names)
    with _working(folder, loaded, record, pipeline, listener, clock or SystemClock()) as work:
        yield work


def _by_processes(loaded: LoadedSpec, overrides: list[str], processes: int) -> list[str]:
    """The overrides with another number of processes; what else the section says stays."""
    key = "training.distributed"
    wanted = loaded.spec.training.distributed
    values = {} if wanted is None else wanted.model_dump()
    kept = [o for o in overrides if o.split("=")[0].strip() not in (key, *(f"{key}.{inner}" for inner in values))]
    return [*kept, f"{key}={dumps({**values, 'processes': processes})}"]


@contextmanager
def _working(
    folder: RunFolder,
    loaded: LoadedSpec,
    record: dict[str, JsonValue],
    pipeline: "FeaturePipeline | None",
    listener: Listener | None,
    clock: Clock,
) -> Iterator[Work]:
    seconds = record.get("seconds")
    spent = float(str(seconds.get("total", 0.0))) if isinstance(seconds, Mapping) else 0.0
    began = clock.elapsed()
    threads = int(str(record["threads"]))
    with locked(folder.path), stop_on_signals() as stop, _log(folder, record) as log:
        drop_temporary(folder.path)
        recorder = Recorder(clock=clock, started_s=began - spent, listeners=[log, *([listener] if listener else [])])
        findings = [finding_from_json(f) for f in _items(record.get("findings")) if isinstance(f, Mapping)]
        work = Work(
            folder=folder,
            loaded=loaded,
            frames=stored_frames(folder.path),
            pipeline=pipeline,
            clock=clock,
            recorder=recorder,
            stop=stop,
            threads=threads,
            record=record,
            log=log,
            findings=findings,
        )
        record |= {"status": "running", "finished": None}
        environment = describe_environment(loaded.spec.seed, threads, loaded.base)
        write_json(folder.path / "environment.json", environment)
        work.add(loaded.findings)
        try:
            yield work
        except Stopped as error:
            work.end(error)
            again = f"`trainwright resume {folder.path}` goes on."
            raise Stopped(f"{error.message}. {again}", by_user=error.by_user, findings=error.findings) from error
        except BaseException as error:  # Ctrl-C and a SystemExit too: the record must not say "running" for ever
            work.end(error)
            raise
        work.end(None)


def _log(folder: RunFolder, record: Mapping[str, JsonValue]) -> EventLog:
    """The log, cut behind the last finished stage, fold or checkpoint: after a resume every point is there once."""
    if not folder.log.exists():
        return EventLog(folder.log)
    checkpoint = read_checkpoint(folder.checkpoints, "last")
    known = [record.get("log_bytes", 0), checkpoint.state["log_bytes"] if checkpoint else 0, _end_of_folds(folder)]
    return EventLog(folder.log, keep_bytes=max(int(str(position)) for position in known))


def _end_of_folds(folder: RunFolder) -> int:
    """Where in the log the last fold ends that is done; 0 without one. Such folds are not trained again."""
    position = end = 0
    with folder.log.open("rb") as lines:
        for line in lines:
            position += len(line)
            if b'"finished"' in line and b'"fold:' in line and line.endswith(b"\n"):
                number = json.loads(line)["stage"].removeprefix("fold:")
                if (folder.path / "folds" / number / "fold.json").is_file():
                    end = position
    return end


def _pipeline(loaded: LoadedSpec, *, trust_code: bool, frames: Container[str]) -> "FeaturePipeline | None":
    """The user's feature pipeline; no code of the spec's is run where the user did not allow it.

    ``frames`` are the parts whose rows are given, so that their paths are not read.
    """
    code = {"architecture.model_type": is_model_code(loaded.spec.architecture.model_type)}
    code |= {f"data.{p}_path": is_code(getattr(loaded.spec.data, f"{p}_path") or "") for p in PARTS if p not in frames}
    if any(code.values()) and not trust_code:
        raise spec_error([loaded.mistake(path, *UNTRUSTED) for path, is_one in code.items() if is_one])
    value = loaded.spec.data.feature_pipeline
    if value is None:
        return None
    from trainwright.data.pipelines import load_pipeline

    return load_pipeline(value, base=loaded.base, trust_code=trust_code)


def _store_frames(folder: RunFolder, frames: "Mapping[str, pd.DataFrame]") -> None:
    """Data given as frames is kept with the run: without it, it could not be resumed or repeated."""
    import io

    from trainwright.data.read import table_from_frame

    for part, given in frames.items():
        buffer = io.BytesIO()
        table_from_frame(given).frame.to_parquet(buffer, index=False)
        write_bytes(folder.data / f"given_{part}.parquet", buffer.getvalue())


def stored_frames(run: Path) -> "Mapping[str, pd.DataFrame] | None":
    """The data that a run was given as frames; None where it came from files."""
    paths = {part: RunFolder(run).data / f"given_{part}.parquet" for part in PARTS}
    present = {part: path for part, path in paths.items() if path.is_file()}
    if not present:
        return None
    import pandas as pd

    return {part: pd.read_parquet(path) for part, path in present.items()}


def stored_document(run: Path) -> Path | None:
    """The run's copy of the architect's document, where there is one."""
    path = run / DOCUMENT
    return path if path.is_file() else None


def _items(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list) else []
