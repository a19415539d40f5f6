"""CatBoost.

The library trains in one call, so a unit is a call for more iterations that goes on from the library's own snapshot.
Measured against one straight fit: the same trees, with and without categories, and 5 to 15 % more time with 25 rounds a
unit (100,000 x 28, depth 7). The snapshot is then what a resume goes on from: an undisturbed run takes the same path.
"""

import os
import shutil
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue, dumps
from trainwright.core.packages import needs_package
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.engines._boosted_session import BoostedSession, TreeFacts
from trainwright.engines._native_errors import parsing_errors, training_errors
from trainwright.engines._native_files import ModelFile
from trainwright.engines._predictions import check_columns, is_sparse, sigmoid, softmax, two_columns
from trainwright.engines._unit_size import rounds_per_unit
from trainwright.engines.contract import Capabilities, InGraph, Job, NativeFile, ResumeKind, ResumePolicy

if TYPE_CHECKING:
    import catboost
    import numpy as np

    from trainwright.data.onnx_graph import Graph
    from trainwright.engines.contract import Floats, Matrix, Model, Session

CAPABILITIES = Capabilities(
    tasks=TABLE_TASKS, devices=("cpu",), exports=("native", "booster", "onnx"), extra="catboost"
)

_FILE = "model.cbm"
_SNAPSHOT = "snapshot.cbsnapshot"

_ROUND_SECONDS_PER_CELL = 3.6e-9
"""Measured: 10 ms a round on 100,000 x 28, depth 7, 2 threads."""

_SMALLEST_UNIT = 25
"""Going on from the snapshot costs about one round's time; 25 rounds a unit keep that near 4 %."""

_NEVER = 10**8
"""Seconds between snapshots inside a unit: only the one at its end is wanted."""

_STEADY: Mapping[str, JsonValue] = {"max_ctr_complexity": 4, "leaf_estimation_iterations": 1}
"""CatBoost's defaults of these change at 200 iterations (measured, 1.2.10), and a snapshot of 175 is then refused by a
call for 200. Plans name both; one that does not gets these, which are constant."""

_QUANTISATION = ("border_count", "feature_border_type", "nan_mode", "ignored_features")

_KEPT_METADATA = frozenset({"class_params"})
"""All other metadata holds times, random identifiers and paths, which would make equal models differ in bytes."""

_EXPONENTIAL_LOSSES = ("Poisson", "Tweedie")


def version() -> str:
    """The library and its version."""
    return f"catboost {_library().__version__}"


def resume_policy(plan: ModelPlan, rows: int, columns: int) -> ResumePolicy:
    """Always from the snapshot."""
    return ResumePolicy(
        kind=ResumeKind.SNAPSHOT,
        exact=True,
        why="every unit goes on from CatBoost's snapshot, which holds its random state, in any run",
    )


def open(job: Job) -> "Session":
    """Start a training."""
    return _CatBoost(job)


def load(folder: Path) -> "Model":
    """Read what `export` wrote.

    Raises:
        ArtifactRefused: damaged, or of another engine.
    """
    meta = ModelFile.read(folder, "catboost")
    if meta.link not in _LINKS:
        raise ArtifactRefused(f"{folder} names the unknown link {meta.link!r}. Known: {', '.join(sorted(_LINKS))}")
    return _Model(_read_model(folder / meta.file), meta)


def add_to_graph(folder: Path, graph: "Graph", X: str, *, trust_code: bool) -> InGraph:
    """See `trainwright.engines.contract.EntersGraph`."""
    from trainwright.engines._graphs import catboost

    meta = ModelFile.read(folder, "catboost")
    model = _read_model(folder / meta.file)
    output = catboost.add_to_graph(model, _every_code(meta), meta, graph, X)
    return InGraph(output=output, precision="float64")


def native_file(folder: Path) -> NativeFile:
    """See `trainwright.engines.contract.GivesNativeFile`."""
    return ModelFile.read(folder, "catboost").native_file(folder)


class _Model:
    def __init__(self, model: "catboost.CatBoost", meta: ModelFile) -> None:
        self._model = model
        self._meta = meta

    def predict(self, X: "Matrix") -> "Floats":
        check_columns(X, self._meta.features)
        raw = self._model.predict(_pool(X, self._meta.categorical), prediction_type="RawFormulaVal")
        return _LINKS[self._meta.link](raw)


class _CatBoost(BoostedSession):
    def __init__(self, job: Job) -> None:
        self._library = _library()
        self._link = _link(job)
        self._train_dir = job.workdir / "catboost"
        self._model: catboost.CatBoost | None = None
        self._pools: dict[str, object] = {}
        self._scores: dict[str, tuple[int, np.ndarray]] = {}  # rounds and raw scores of the job's own rows
        super().__init__(
            job,
            version=f"catboost {self._library.__version__}",
            policy=resume_policy(job.plan, *map(int, job.train.X.shape)),
            unit=rounds_per_unit(job, round_seconds_per_cell=_ROUND_SECONDS_PER_CELL, smallest=_SMALLEST_UNIT),
            keeps_every_round=True,
        )
        shutil.rmtree(self._train_dir, ignore_errors=True)  # a snapshot left by a killed process is not ours

    def _train_to(self, rounds: int) -> tuple[float, ...]:
        self._train_dir.mkdir(parents=True, exist_ok=True)
        with training_errors("CatBoost", self._library.CatBoostError):
            model = self._library.CatBoost(self._native_params(rounds))
            model.fit(self._training_pool())
        self._model = model
        self._rounds = rounds
        return ()

    @property
    def _kept(self) -> MutableMapping[str, object]:
        return self._pools if self._job.shared is None else self._job.shared

    def _native_params(self, rounds: int) -> dict[str, JsonValue]:
        job = self._job
        params: dict[str, JsonValue] = {
            **_STEADY,
            **job.plan.params,
            "iterations": rounds,
            "random_seed": job.seeds.integer("catboost", "random_seed"),
            "thread_count": job.threads,
            "logging_level": "Silent",
            "metric_period": self._unit,
            "allow_writing_files": True,
            "train_dir": os.fspath(self._train_dir),
            "save_snapshot": True,
            "snapshot_file": _SNAPSHOT,
            "snapshot_interval": _NEVER,
        }
        if job.task is Task.MULTICLASS:
            params["classes_count"] = job.num_classes
        return params

    def _training_pool(self) -> "catboost.Pool":
        """Quantised once for all units, and for all jobs of the same rows and the same options of quantisation."""
        options = {k: self._job.plan.params[k] for k in _QUANTISATION if k in self._job.plan.params}
        key = dumps(["catboost fit", options])
        if key not in self._kept:
            table = self._job.train
            pool = _pool(table.X, self._job.categorical, label=table.y, weight=table.weight, threads=self._job.threads)
            pool.quantize(task_type="CPU", **options)
            self._kept[key] = pool
        return cast("catboost.Pool", self._kept[key])

    def _rows(self, part: Literal["train", "val"]) -> "catboost.Pool":
        """Rows to predict, not quantised: CatBoost cannot apply category statistics to a quantised pool (1.2.10)."""
        key = f"catboost {part}"
        if key not in self._kept:
            table = self._job.train if part == "train" else self._job.val
            assert table is not None
            self._kept[key] = _pool(table.X, self._job.categorical, threads=self._job.threads)
        return cast("catboost.Pool", self._kept[key])

    def _part(self, part: Literal["train", "val"]) -> "Floats":
        assert self._model is not None
        done, scores = self._scores.get(part, (0, None))
        if done < self._rounds or scores is None:
            added = self._raw(self._rows(part), start=done, end=self._rounds)
            scores = added if scores is None else scores + added
            self._scores[part] = (self._rounds, scores)
        return _LINKS[self._link](scores)

    def _raw(self, pool: "catboost.Pool", *, start: int, end: int) -> "np.ndarray":
        assert self._model is not None
        raw: np.ndarray = self._model.predict(
            pool,
            prediction_type="RawFormulaVal",
            ntree_start=start,
            ntree_end=end,
            thread_count=self._job.threads,
        )
        return raw

    def _predict(self, X: "Matrix", rounds: int) -> "Floats":
        pool = _pool(X, self._job.categorical, threads=self._job.threads)
        return _LINKS[self._link](self._raw(pool, start=0, end=rounds))

    def _model_bytes(self) -> bytes:
        path = self._train_dir / "digest.cbm"
        self._train_dir.mkdir(parents=True, exist_ok=True)
        self._save_bare(path, self._rounds)
        content = path.read_bytes()
        path.unlink()
        return content

    def _save_bare(self, path: Path, rounds: int) -> None:
        """Write the model cut to ``rounds``, without metadata that changes from run to run."""
        assert self._model is not None
        model = self._model.copy()
        if rounds < self._rounds:
            model.shrink(ntree_end=rounds)
        metadata = model.get_metadata()
        for key in [k for k in metadata.keys() if k not in _KEPT_METADATA]:  # noqa: SIM118 - not a mapping
            del metadata[key]
        model.save_model(os.fspath(path), format="cbm")

    def _write_state(self, folder: Path) -> list[str]:
        shutil.copyfile(self._train_dir / _SNAPSHOT, folder / _SNAPSHOT)
        self._save_bare(folder / _FILE, self._rounds)
        return [_SNAPSHOT, _FILE]

    def _resume(self, folder: Path, rounds: int) -> None:
        self._train_dir.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / _SNAPSHOT, self._train_dir / _SNAPSHOT)
        self._model = _read_model(folder / _FILE)
        self._rounds = rounds

    def _write_model(self, folder: Path, rounds: int) -> ModelFile:
        self._save_bare(folder / _FILE, rounds)
        return self._model_file(_FILE, rounds, self._link)

    def _tree_facts(self, rounds: int) -> TreeFacts:
        assert self._model is not None
        model = self._model.copy()
        if rounds < self._rounds:
            model.shrink(ntree_end=rounds)
        outputs = self._job.num_classes if self._link == "softmax" else 1
        leaves = model.get_tree_leaf_counts()
        symmetric = self._job.plan.params.get("grow_policy", "SymmetricTree") == "SymmetricTree"
        splits = sum(int(n).bit_length() - 1 if symmetric else int(n) - 1 for n in leaves)
        shares = model.get_feature_importance(type="PredictionValuesChange", thread_count=self._job.threads)
        importance = dict(zip(_column_order(self._job), map(float, shares), strict=True))
        return TreeFacts(int(sum(leaves)) * outputs, splits, importance, "prediction values change")

    def _reset(self) -> None:
        self._model = None
        self._pools = {}
        self._scores = {}
        shutil.rmtree(self._train_dir, ignore_errors=True)


def _identity(raw: "np.ndarray") -> "Floats":
    import numpy as np

    return np.array(raw, dtype=np.float64)


def _exp(raw: "np.ndarray") -> "Floats":
    import numpy as np

    values: np.ndarray = np.exp(raw)
    return values


def _two_probabilities(raw: "np.ndarray") -> "Floats":
    return two_columns(sigmoid(raw))


_LINKS: "Mapping[str, Callable[[np.ndarray], Floats]]" = {
    "identity": _identity,
    "exp": _exp,
    "sigmoid": _two_probabilities,
    "softmax": softmax,
}


def _link(job: Job) -> str:
    if job.task is not Task.REGRESSION:
        return "sigmoid" if job.task is Task.BINARY else "softmax"
    loss = str(job.plan.params.get("loss_function", "RMSE"))
    return "exp" if loss.split(":")[0] in _EXPONENTIAL_LOSSES else "identity"


def _library() -> Any:
    with needs_package("catboost", CAPABILITIES.extra):
        import catboost
    return catboost


def _read_model(path: Path) -> "catboost.CatBoost":
    library = _library()
    model: catboost.CatBoost = library.CatBoost()
    with parsing_errors("CatBoost", library.CatBoostError):
        model.load_model(os.fspath(path), format="cbm")
    return model


def _column_order(job: Job) -> list[int]:
    """CatBoost's feature order: numbers first where there are categories (`FeaturesData`), else as they are."""
    marked = set(job.categorical)
    numeric = [i for i in range(int(job.train.X.shape[1])) if i not in marked]
    return [*numeric, *job.categorical]


def _every_code(meta: ModelFile) -> "catboost.Pool | None":
    """Rows in which each category column has each of its codes, and none; None without category columns."""
    import numpy as np

    if not meta.categorical:
        return None
    most = max(meta.category_sizes)
    rows = np.zeros((most + 1, meta.features))
    rows[:, list(meta.categorical)] = np.arange(-1, most)[:, None]
    return _pool(rows, meta.categorical)


def _pool(
    X: "Matrix",
    categorical: tuple[int, ...],
    *,
    label: "np.ndarray | None" = None,
    weight: "np.ndarray | None" = None,
    threads: int = -1,
) -> "catboost.Pool":
    """Rows for CatBoost: float32 numbers, and category codes as text (a missing one as the empty text)."""
    import numpy as np

    library = _library()
    if not categorical:
        rows = X if is_sparse(X) else np.ascontiguousarray(X, dtype=np.float32)
        made: catboost.Pool = library.Pool(rows, label=label, weight=weight, thread_count=threads)
        return made
    dense = X if isinstance(X, np.ndarray) else X.toarray()
    marked = set(categorical)
    numeric = [i for i in range(dense.shape[1]) if i not in marked]
    codes = np.nan_to_num(dense[:, list(categorical)], nan=-1.0).astype(np.int64)
    names = np.array([b"", *(b"%d" % i for i in range(int(codes.max(initial=-1)) + 1))], dtype=object)
    features = library.FeaturesData(
        num_feature_data=np.ascontiguousarray(dense[:, numeric], dtype=np.float32) if numeric else None,
        cat_feature_data=names[codes + 1],
    )
    mixed: catboost.Pool = library.Pool(features, label=label, weight=weight, thread_count=threads)
    return mixed
