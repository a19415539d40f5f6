"""XGBoost.

Rows are held in a `DMatrix`, not a `QuantileDMatrix`: on 500,000 x 28 both took 2.8 s for 50 rounds, construction
included (measured), and a `DMatrix` serves every tree method. In sparse rows an absent entry is a missing value, which
is what XGBoost makes of them; a model trained on sparse rows therefore gets dense ones converted, and the reverse.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from trainwright.core.jsonable import JsonValue
from trainwright.core.packages import needs_package
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.engines._boosted_session import BoostedSession, TreeFacts
from trainwright.engines._native_errors import parsing_errors, training_errors
from trainwright.engines._native_files import ModelFile
from trainwright.engines._predictions import check_columns, is_sparse, normalised, two_columns
from trainwright.engines._unit_size import rounds_per_unit
from trainwright.engines.contract import Capabilities, InGraph, Job, NativeFile, ResumeKind, ResumePolicy

if TYPE_CHECKING:
    import numpy as np
    import xgboost as xgb

    from trainwright.data.onnx_graph import Graph
    from trainwright.engines.contract import Floats, Matrix, Model, Session

CAPABILITIES = Capabilities(tasks=TABLE_TASKS, devices=("cpu",), exports=("native", "booster", "onnx"), extra="boost")

_FILE = "model.ubj"
_RESUME_FILE = "so_far.ubj"

_ROUND_SECONDS_PER_CELL = 2.0e-9
"""Measured: 28 ms a round on 500,000 x 28, depth 6, hist, 2 threads."""

_MEMORYLESS = frozenset(
    {
        "objective", "learning_rate", "gamma", "max_depth", "min_child_weight", "max_delta_step", "reg_lambda",
        "reg_alpha", "scale_pos_weight", "max_leaves", "max_bin", "grow_policy", "monotone_constraints",
        "interaction_constraints", "multi_strategy", "max_cat_to_onehot", "max_cat_threshold", "quantile_alpha",
        "huber_slope", "tweedie_variance_power", "base_score", "sampling_method",
    }
)  # fmt: skip
"""Parameters under which a round depends on the earlier trees alone (tested: the continued model has equal bytes)."""

_NEUTRAL: Mapping[str, tuple[JsonValue, ...]] = {
    "booster": ("gbtree",),
    "tree_method": ("hist", "approx"),
    "subsample": (1, 1.0),
    "colsample_bytree": (1, 1.0),
    "colsample_bylevel": (1, 1.0),
    "colsample_bynode": (1, 1.0),
    "num_parallel_tree": (1,),
}
"""Values at which parameters outside `_MEMORYLESS` are known to leave continuation exact."""


def version() -> str:
    """The library and its version."""
    return f"xgboost {_library().__version__}"


def resume_policy(plan: ModelPlan, rows: int, columns: int) -> ResumePolicy:
    """Continue from the model file where nothing is random, else train again."""
    active = sorted(_random_parameters(plan.params))
    if active:
        why = f"continuing an XGBoost model is not exact with {', '.join(active)}; the same seeds repeat the same bytes"
        return ResumePolicy(kind=ResumeKind.REPLAY, exact=True, why=why)
    why = "without sampling a round depends on the earlier trees alone, so the model file continues exactly"
    return ResumePolicy(kind=ResumeKind.INIT_MODEL, exact=True, why=why)


def open(job: Job) -> "Session":
    """Start a training."""
    return _XGBoost(job)


def load(folder: Path) -> "Model":
    """Read what `export` wrote.

    Raises:
        ArtifactRefused: damaged, or of another engine.
    """
    meta = ModelFile.read(folder, "xgboost")
    library = _library()
    with parsing_errors("XGBoost", library.core.XGBoostError):
        booster = library.Booster({"verbosity": 0}, model_file=os.fspath(folder / meta.file))
    return _Model(booster, meta)


def add_to_graph(folder: Path, graph: "Graph", X: str, *, trust_code: bool) -> InGraph:
    """See `trainwright.engines.contract.EntersGraph`. The library adds leaves up in float32, the graph does not."""
    from trainwright.engines._graphs import xgboost

    meta = ModelFile.read(folder, "xgboost")
    library = _library()
    with parsing_errors("XGBoost", library.core.XGBoostError):
        booster = library.Booster({"verbosity": 0}, model_file=os.fspath(folder / meta.file))
    document = booster.save_raw("json").decode()
    return InGraph(output=xgboost.add_to_graph(document, graph, X, sparse=meta.sparse), precision="float32")


def native_file(folder: Path) -> NativeFile:
    """See `trainwright.engines.contract.GivesNativeFile`."""
    return ModelFile.read(folder, "xgboost").native_file(folder)


class _Model:
    def __init__(self, booster: "xgb.Booster", meta: ModelFile) -> None:
        self._booster = booster
        self._meta = meta

    def predict(self, X: "Matrix") -> "Floats":
        check_columns(X, self._meta.features)
        rows = _rows(X, self._meta.categorical, sparse=self._meta.sparse)
        return _shaped(self._booster.predict(rows), self._meta.task)


class _XGBoost(BoostedSession):
    def __init__(self, job: Job) -> None:
        self._library = _library()
        self._params = _native_params(job)
        self._sparse = is_sparse(job.train.X)
        self._booster: xgb.Booster | None = None
        self._matrices: dict[str, xgb.DMatrix] = {}
        super().__init__(
            job,
            version=f"xgboost {self._library.__version__}",
            policy=resume_policy(job.plan, *map(int, job.train.X.shape)),
            unit=rounds_per_unit(job, round_seconds_per_cell=_ROUND_SECONDS_PER_CELL),
            keeps_every_round=job.plan.params.get("booster", "gbtree") != "dart",
        )

    def _train_to(self, rounds: int) -> tuple[float, ...]:
        with training_errors("XGBoost", self._library.core.XGBoostError):
            if self._booster is None:
                self._booster = self._start(None)
            train = self._matrices["train"]
            while self._rounds < rounds:
                self._booster.update(train, self._rounds)
                self._rounds += 1
        return ()

    def _start(self, model_file: str | None) -> "xgb.Booster":
        """A booster that keeps running scores for the job's own rows."""
        self._matrices = {"train": self._own_rows("train")}
        if self._job.val is not None:
            self._matrices["val"] = self._own_rows("val")
        booster: xgb.Booster = self._library.Booster(
            self._params, cache=list(self._matrices.values()), model_file=model_file
        )
        return booster

    def _own_rows(self, part: Literal["train", "val"]) -> "xgb.DMatrix":
        """A part as a matrix; XGBoost keeps its bins in it, so jobs of the same rows share one for each ``max_bin``."""
        if self._job.shared is None:
            return self._made_rows(part)
        key = f"xgboost {part} {self._params.get('max_bin')} {self._params.get('tree_method')}"
        if key not in self._job.shared:
            self._job.shared[key] = self._made_rows(part)
        return cast("xgb.DMatrix", self._job.shared[key])

    def _made_rows(self, part: Literal["train", "val"]) -> "xgb.DMatrix":
        table = self._job.train if part == "train" else self._job.val
        assert table is not None
        return _rows(
            table.X,
            self._job.categorical,
            sparse=self._sparse,
            label=table.y,
            weight=table.weight,
            threads=self._job.threads,
        )

    def _part(self, part: Literal["train", "val"]) -> "Floats":
        assert self._booster is not None
        return _shaped(self._booster.predict(self._matrices[part]), self._job.task)

    def _predict(self, X: "Matrix", rounds: int) -> "Floats":
        assert self._booster is not None
        rows = _rows(X, self._job.categorical, sparse=self._sparse, threads=self._job.threads)
        return _shaped(self._booster.predict(rows, iteration_range=(0, rounds)), self._job.task)

    def _model_bytes(self) -> bytes:
        assert self._booster is not None
        return bytes(self._booster.save_raw("ubj"))

    def _write_state(self, folder: Path) -> list[str]:
        assert self._booster is not None
        self._booster.save_model(folder / _RESUME_FILE)
        return [_RESUME_FILE]

    def _resume(self, folder: Path, rounds: int) -> None:
        with parsing_errors("XGBoost", self._library.core.XGBoostError):
            self._booster = self._start(os.fspath(folder / _RESUME_FILE))
        self._rounds = rounds

    def _write_model(self, folder: Path, rounds: int) -> ModelFile:
        self._cut(rounds).save_model(folder / _FILE)
        return self._model_file(_FILE, rounds)

    def _tree_facts(self, rounds: int) -> TreeFacts:
        model = self._cut(rounds)
        splits = int(sum(map(_number, model.get_score(importance_type="weight").values())))
        gains = model.get_score(importance_type="total_gain")
        trees = model.num_boosted_rounds() * self._trees_a_round()
        importance = {int(name.removeprefix("f")): _number(gain) for name, gain in gains.items()}
        return TreeFacts(splits + trees, splits, importance, "total gain")

    def _trees_a_round(self) -> int:
        parallel = self._params.get("num_parallel_tree", 1)
        outputs = self._job.num_classes if self._job.task is Task.MULTICLASS else 1
        outputs = 1 if self._params.get("multi_strategy") == "multi_output_tree" else outputs
        return int(parallel) * outputs if isinstance(parallel, int | float) else outputs

    def _cut(self, rounds: int) -> "xgb.Booster":
        assert self._booster is not None
        return self._booster if rounds == self._rounds else self._booster[:rounds]

    def _reset(self) -> None:
        self._booster = None
        self._matrices = {}


def _library() -> Any:
    with needs_package("xgboost", CAPABILITIES.extra):
        import xgboost
    return xgboost


def _native_params(job: Job) -> dict[str, JsonValue]:
    """The plan's parameters with what the job decides: seed, threads, silence."""
    params: dict[str, JsonValue] = {
        **job.plan.params,
        "seed": job.seeds.integer("xgboost", "seed"),
        "nthread": job.threads,
        "verbosity": 0,
        "device": "cpu",
        "disable_default_eval_metric": True,
    }
    if job.task is Task.MULTICLASS:
        params["num_class"] = job.num_classes
    return params


def _random_parameters(params: Mapping[str, JsonValue]) -> set[str]:
    """Parameters that make a round depend on more than the earlier trees."""
    return {k for k, v in params.items() if k not in _MEMORYLESS and v not in _NEUTRAL.get(k, ())}


def _rows(
    X: "Matrix",
    categorical: tuple[int, ...],
    *,
    sparse: bool,
    label: "np.ndarray | None" = None,
    weight: "np.ndarray | None" = None,
    threads: int | None = None,
) -> "xgb.DMatrix":
    """Rows in the layout the model was trained on."""
    import numpy as np
    import scipy.sparse

    if isinstance(X, np.ndarray):
        X = scipy.sparse.csr_matrix(X) if sparse else X
    elif not sparse:
        X = X.toarray()
    marked = set(categorical)
    types = ["c" if i in marked else "q" for i in range(int(X.shape[1]))] if marked else None
    made: xgb.DMatrix = _library().DMatrix(
        X, label=label, weight=weight, feature_types=types, enable_categorical=bool(marked), nthread=threads
    )
    return made


def _shaped(scores: "np.ndarray", task: Task) -> "Floats":
    import numpy as np

    if task is Task.BINARY:
        return two_columns(scores)
    return normalised(scores) if task is Task.MULTICLASS else np.asarray(scores, dtype=np.float64)


def _number(value: float | list[float]) -> float:
    """Scores are lists only for linear boosters, which no plan uses."""
    return float(sum(value)) if isinstance(value, list) else float(value)
