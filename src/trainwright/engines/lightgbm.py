"""LightGBM.

Continuation from the library's own model file is bit-exact only without any randomness and history between rounds, so
a plan of the parameters listed in `_MEMORYLESS` resumes from the model file and every other one is trained again.
"""

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from trainwright.core.jsonable import JsonValue, dumps
from trainwright.core.packages import needs_package
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.engines._boosted_session import BoostedSession, TreeFacts
from trainwright.engines._native_errors import parsing_errors, training_errors
from trainwright.engines._native_files import ModelFile
from trainwright.engines._predictions import check_columns, is_sparse, two_columns
from trainwright.engines._unit_size import rounds_per_unit
from trainwright.engines.contract import Capabilities, InGraph, Job, NativeFile, ResumeKind, ResumePolicy

if TYPE_CHECKING:
    import lightgbm as lgb
    import numpy as np

    from trainwright.data.onnx_graph import Graph
    from trainwright.engines.contract import Floats, Matrix, Model, Session, Table

CAPABILITIES = Capabilities(tasks=TABLE_TASKS, devices=("cpu",), exports=("native", "booster", "onnx"), extra="boost")

_FILE = "model.txt"
_RESUME_FILE = "earlier_rounds.txt"

_ROUND_SECONDS_PER_CELL = 2.1e-9
"""Measured: 30 ms a round on 500,000 x 28, 50 leaves, 2 threads."""

_ROW_WISE_COLUMNS = 200
"""Row-wise histograms win on narrow dense tables, column-wise ones on wide or sparse ones. Measured with 2 threads:
500,000 x 28: 2.98 against 3.39 s; 100,000 x 100: 3.2 against 4.6 s; 20,000 x 500: 2.08 against 1.98 s;
sparse 20,000 x 5,000: 3.4 against 2.2 s."""

_CURVE_ROWS = 20_000
"""With up to this many validation rows the loss is computed every round: 0.24 ms, measured (12 ns a row)."""

_CURVELESS = ("gamma",)
"""Objectives whose metric aborts training on a validation target of zero."""

_SEEDS = (
    "seed",
    "bagging_seed",
    "feature_fraction_seed",
    "drop_seed",
    "extra_seed",
    "data_random_seed",
    "objective_seed",
)

_BINNING = frozenset(
    {
        "bin_construct_sample_cnt", "data_random_seed", "enable_bundle", "feature_pre_filter", "linear_tree", "max_bin",
        "min_data_in_bin", "use_missing", "zero_as_missing",
    }
)  # fmt: skip
"""The parameters of a plan that LightGBM's Dataset depends on (`Dataset.get_params`, 4.7.0)."""

_MEMORYLESS = frozenset(
    {
        "objective", "learning_rate", "num_leaves", "max_depth", "min_data_in_leaf", "min_sum_hessian_in_leaf",
        "lambda_l1", "lambda_l2", "min_gain_to_split", "max_bin", "min_data_in_bin", "bin_construct_sample_cnt",
        "cat_l2", "cat_smooth", "max_cat_to_onehot", "max_cat_threshold", "min_data_per_group", "max_delta_step",
        "path_smooth", "alpha", "fair_c", "tweedie_variance_power", "poisson_max_delta_step", "scale_pos_weight",
        "is_unbalance", "boost_from_average", "enable_bundle", "use_missing", "zero_as_missing",
        "monotone_constraints", "interaction_constraints",
    }
)  # fmt: skip
"""Parameters under which a round depends on the earlier trees alone (tested: the continued model has equal bytes)."""

_NEUTRAL: Mapping[str, JsonValue] = {
    "boosting": "gbdt",
    "data_sample_strategy": "bagging",
    "bagging_freq": 0,
    "bagging_fraction": 1.0,
    "feature_fraction": 1.0,
    "feature_fraction_bynode": 1.0,
    "extra_trees": False,
    "linear_tree": False,
    "use_quantized_grad": False,
}
"""Values at which parameters outside `_MEMORYLESS` have no effect."""


def version() -> str:
    """The library and its version."""
    return f"lightgbm {_library().__version__}"


def resume_policy(plan: ModelPlan, rows: int, columns: int) -> ResumePolicy:
    """Continue from the model file where nothing is random, else train again."""
    active = sorted(_random_parameters(plan.params))
    if active:
        why = f"continuing a LightGBM model is not exact with {', '.join(active)}; the same seeds repeat the same bytes"
        return ResumePolicy(kind=ResumeKind.REPLAY, exact=True, why=why)
    why = "without sampling a round depends on the earlier trees alone, so the model file continues exactly"
    return ResumePolicy(kind=ResumeKind.INIT_MODEL, exact=True, why=why)


def open(job: Job) -> "Session":
    """Start a training."""
    return _LightGBM(job)


def load(folder: Path) -> "Model":
    """Read what `export` wrote.

    Raises:
        ArtifactRefused: damaged, or of another engine.
    """
    meta = ModelFile.read(folder, "lightgbm")
    library = _library()
    with parsing_errors("LightGBM", library.basic.LightGBMError):
        booster = library.Booster(model_file=os.fspath(folder / meta.file))
    return _Model(booster, meta)


def add_to_graph(folder: Path, graph: "Graph", X: str, *, trust_code: bool) -> InGraph:
    """See `trainwright.engines.contract.EntersGraph`."""
    from trainwright.engines._graphs import lightgbm

    meta = ModelFile.read(folder, "lightgbm")
    return InGraph(output=lightgbm.add_to_graph(folder / meta.file, graph, X), precision="float64")


def native_file(folder: Path) -> NativeFile:
    """See `trainwright.engines.contract.GivesNativeFile`."""
    return ModelFile.read(folder, "lightgbm").native_file(folder)


class _Model:
    def __init__(self, booster: "lgb.Booster", meta: ModelFile) -> None:
        self._booster = booster
        self._meta = meta

    def predict(self, X: "Matrix") -> "Floats":
        check_columns(X, self._meta.features)
        return _shaped(self._booster.predict(X), self._meta.task)


class _LightGBM(BoostedSession):
    def __init__(self, job: Job) -> None:
        self._library = _library()
        params = job.plan.params
        self._samples = bool(_random_parameters(params))
        self._params = _native_params(job)
        self._curve = self._params["metric"] != "None"
        self._booster: lgb.Booster | None = None
        self._grown: list[int] = []  # trees (per class) after each round tried; a round may add none
        super().__init__(
            job,
            version=f"lightgbm {self._library.__version__}",
            policy=resume_policy(job.plan, *map(int, job.train.X.shape)),
            unit=rounds_per_unit(job, round_seconds_per_cell=_ROUND_SECONDS_PER_CELL),
            keeps_every_round=params.get("boosting", "gbdt") != "dart",
        )

    def _train_to(self, rounds: int) -> tuple[float, ...]:
        curve: list[float] = []
        with training_errors("LightGBM", self._library.basic.LightGBMError):
            if self._booster is None:
                self._booster = self._start()
            while self._rounds < rounds:
                stalled = self._booster.update()
                trees = self._booster.current_iteration()
                grew = trees > (self._grown[-1] if self._grown else 0)
                if not grew and not self._samples:
                    self._exhausted = True  # the next round would see the same gradients and stall as well
                    break
                self._grown.append(trees)
                self._rounds += 1
                if self._curve:
                    curve.append(float(self._booster.eval_valid()[0].metric_value))
                if stalled and not self._samples:
                    self._exhausted = True
                    break
        return tuple(curve)

    def _start(self) -> "lgb.Booster":
        train, val = self._shared_datasets()
        booster: lgb.Booster = self._library.Booster(self._params, train)
        if val is not None:
            booster.add_valid(val, "val")
        return booster

    def _shared_datasets(self) -> "tuple[lgb.Dataset, lgb.Dataset | None]":
        """Binned once for all jobs of the same rows and the same parameters of binning."""
        if self._job.shared is None:
            return self._datasets()
        key = dumps(["lightgbm", self._binning()])
        if key not in self._job.shared:
            self._job.shared[key] = self._datasets()
        return cast("tuple[lgb.Dataset, lgb.Dataset | None]", self._job.shared[key])

    def _binning(self) -> dict[str, JsonValue]:
        return {name: value for name, value in self._params.items() if name in _BINNING}

    def _datasets(self) -> "tuple[lgb.Dataset, lgb.Dataset | None]":
        make = partial(
            self._library.Dataset,
            categorical_feature=list(self._job.categorical),
            params={**self._binning(), "num_threads": self._job.threads, "verbosity": -1},
            free_raw_data=True,
        )
        train = _dataset(make, self._job.train, None)
        return train, None if self._job.val is None else _dataset(make, self._job.val, train)

    def _part(self, part: Literal["train", "val"]) -> "Floats":
        assert self._booster is not None
        found: list[np.ndarray] = []

        def keep(scores: "np.ndarray", _: object) -> tuple[str, float, bool]:
            found.append(scores.copy())  # the library reuses the buffer
            return "scores", 0.0, False

        if part == "train":
            self._booster.eval_train(keep)
        else:
            self._booster.eval_valid(keep)
        return _shaped(found[0], self._job.task)

    def _predict(self, X: "Matrix", rounds: int) -> "Floats":
        assert self._booster is not None
        trees = self._grown[rounds - 1]
        raw = self._booster.predict(X, num_iteration=trees, num_threads=self._job.threads)
        return _shaped(raw, self._job.task)

    def _model_bytes(self) -> bytes:
        assert self._booster is not None
        text: str = self._booster.model_to_string(num_iteration=-1)
        return text.encode()

    def _write_state(self, folder: Path) -> list[str]:
        # `lightgbm.train` must train at least one round to return a live booster: the last round is trained again
        if self._rounds < 2:
            return []
        assert self._booster is not None
        self._booster.save_model(folder / _RESUME_FILE, num_iteration=self._rounds - 1)
        return [_RESUME_FILE]

    def _resume(self, folder: Path, rounds: int) -> None:
        if rounds < 2:
            self._train_to(rounds)
            return
        train, val = self._datasets()
        params = {k: v for k, v in self._params.items() if k != "num_iterations"}
        kinds = (self._library.basic.LightGBMError,)
        with parsing_errors("LightGBM", *kinds):
            booster = self._library.train(
                params,
                train,
                num_boost_round=1,
                init_model=os.fspath(folder / _RESUME_FILE),
                valid_sets=None if val is None else [val],
                valid_names=None if val is None else ["val"],
                keep_training_booster=True,
            )
        booster.reset_parameter({"num_iterations": self._params["num_iterations"]})  # it is part of the model's text
        self._booster = booster
        self._rounds = rounds
        self._grown = list(range(1, rounds + 1))

    def _write_model(self, folder: Path, rounds: int) -> ModelFile:
        assert self._booster is not None
        self._booster.save_model(folder / _FILE, num_iteration=self._grown[rounds - 1])
        return self._model_file(_FILE, rounds)

    def _tree_facts(self, rounds: int) -> TreeFacts:
        assert self._booster is not None
        trees = self._grown[rounds - 1]
        text = self._booster.model_to_string(num_iteration=trees)
        leaves = [int(n) for n in re.findall(r"^num_leaves=(\d+)$", text, flags=re.MULTILINE)]
        gains = self._booster.feature_importance("gain", iteration=trees)
        return TreeFacts(sum(leaves), sum(leaves) - len(leaves), dict(enumerate(map(float, gains))), "gain")

    def _reset(self) -> None:
        self._booster = None
        self._grown = []


def _library() -> Any:
    with needs_package("lightgbm", CAPABILITIES.extra):
        import lightgbm
    return lightgbm


def _native_params(job: Job) -> dict[str, JsonValue]:
    """The plan's parameters with what the job decides: seeds, threads, determinism, silence."""
    sparse_or_wide = is_sparse(job.train.X) or int(job.train.X.shape[1]) > _ROW_WISE_COLUMNS
    params: dict[str, JsonValue] = {
        **job.plan.params,
        **{name: job.seeds.integer("lightgbm", name) for name in _SEEDS},
        "num_iterations": job.plan.rounds,
        "num_threads": job.threads,
        "deterministic": True,
        "feature_pre_filter": False,  # it would make the binned data depend on min_data_in_leaf
        "force_col_wise" if sparse_or_wide else "force_row_wise": True,
        "verbosity": -1,
        "metric": _metric(job),
    }
    if job.task is Task.MULTICLASS:
        params["num_class"] = job.num_classes
    return params


def _metric(job: Job) -> JsonValue:
    """The loss as a metric where the validation rows are few enough to compute it every round."""
    objective = job.plan.params.get("objective", "l2")
    if job.val is None or job.val.rows > _CURVE_ROWS or objective in _CURVELESS:
        return "None"
    named: JsonValue = {Task.BINARY: "binary_logloss", Task.MULTICLASS: "multi_logloss"}.get(job.task)
    return named or objective


def _random_parameters(params: Mapping[str, JsonValue]) -> set[str]:
    """Parameters that make a round depend on more than the earlier trees."""
    active = {k for k, v in params.items() if k not in _MEMORYLESS and (k not in _NEUTRAL or v != _NEUTRAL[k])}
    if active <= {"bagging_freq", "bagging_fraction"} and len(active) < 2:
        return set()  # rows are sampled only with both
    return active


def _dataset(make: "partial[lgb.Dataset]", table: "Table", reference: "lgb.Dataset | None") -> "lgb.Dataset":
    return make(table.X, label=table.y, weight=table.weight, reference=reference)


def _shaped(scores: "Any", task: Task) -> "Floats":
    import numpy as np

    values = np.asarray(scores, dtype=np.float64)
    return two_columns(values) if task is Task.BINARY else np.ascontiguousarray(values)
