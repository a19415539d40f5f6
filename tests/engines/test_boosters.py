"""LightGBM, XGBoost and CatBoost: what the common contract cannot know."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainwright.core import registry
from trainwright.core.errors import ArtifactRefused, DataRefused, ResourceMissing
from trainwright.core.jsonable import JsonValue
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.engines import _unit_size
from trainwright.engines.contract import Job, ResumeKind, Table
from trainwright.engines.repairs import Repair
from trainwright.engines.testing import Case, exported, make_job, opened, policy, trained
from trainwright.families.contract import Request

BOOSTERS = ("lightgbm", "xgboost", "catboost")
CLASSES = {Task.BINARY: 2, Task.MULTICLASS: 3, Task.REGRESSION: 0}

PLAIN: dict[str, dict[str, JsonValue]] = {
    "lightgbm": {"bagging_freq": 0},
    "xgboost": {"subsample": 1.0, "colsample_bylevel": 1.0},
}
"""No sampling at all: continued from the model file."""


def plan_of(family: str, task: Task, params: Mapping[str, JsonValue], rounds: int = 40) -> ModelPlan:
    module = registry.load("families", family)
    request = Request(task=task, num_classes=CLASSES[task], rows=240, columns=6, rounds=rounds)
    assert module.problems(params, request) == []
    plan = module.build(params, request)
    assert isinstance(plan, ModelPlan)
    return plan


def job_of(
    family: str, task: Task, params: Mapping[str, JsonValue], workdir: Path, *, rounds: int = 40, threads: int = 1
) -> Job:
    case = Case(family, family, task)
    return make_job(case, workdir, plan=plan_of(family, task, params, rounds), threads=threads)


RESUMED: list[tuple[str, Task, dict[str, JsonValue], ResumeKind]] = [
    ("lightgbm", Task.BINARY, PLAIN["lightgbm"], ResumeKind.INIT_MODEL),
    ("lightgbm", Task.MULTICLASS, PLAIN["lightgbm"], ResumeKind.INIT_MODEL),
    ("lightgbm", Task.REGRESSION, PLAIN["lightgbm"], ResumeKind.INIT_MODEL),
    ("lightgbm", Task.REGRESSION, {**PLAIN["lightgbm"], "objective": "absolute_error"}, ResumeKind.INIT_MODEL),
    (
        "lightgbm",
        Task.REGRESSION,
        {**PLAIN["lightgbm"], "objective": "quantile", "quantile": 0.9},
        ResumeKind.INIT_MODEL,
    ),
    ("lightgbm", Task.REGRESSION, {**PLAIN["lightgbm"], "objective": "huber"}, ResumeKind.INIT_MODEL),
    ("lightgbm", Task.BINARY, {**PLAIN["lightgbm"], "path_smooth": 1.0, "max_delta_step": 0.5}, ResumeKind.INIT_MODEL),
    ("lightgbm", Task.BINARY, {}, ResumeKind.REPLAY),
    ("lightgbm", Task.BINARY, {"boosting": "dart"}, ResumeKind.REPLAY),
    ("lightgbm", Task.BINARY, {"data_sample_strategy": "goss", "learning_rate": 0.3}, ResumeKind.REPLAY),
    ("lightgbm", Task.BINARY, {**PLAIN["lightgbm"], "feature_fraction": 0.5}, ResumeKind.REPLAY),
    ("lightgbm", Task.REGRESSION, {"extra_trees": True}, ResumeKind.REPLAY),
    ("lightgbm", Task.REGRESSION, {"use_quantized_grad": True}, ResumeKind.REPLAY),
    ("xgboost", Task.BINARY, PLAIN["xgboost"], ResumeKind.INIT_MODEL),
    ("xgboost", Task.MULTICLASS, PLAIN["xgboost"], ResumeKind.INIT_MODEL),
    ("xgboost", Task.REGRESSION, {"subsample": 1.0}, ResumeKind.INIT_MODEL),
    ("xgboost", Task.REGRESSION, {"subsample": 1.0, "objective": "quantile", "quantile": 0.9}, ResumeKind.INIT_MODEL),
    ("xgboost", Task.REGRESSION, {"subsample": 1.0, "objective": "absolute_error"}, ResumeKind.INIT_MODEL),
    ("xgboost", Task.BINARY, {**PLAIN["xgboost"], "tree_method": "approx"}, ResumeKind.INIT_MODEL),
    ("xgboost", Task.BINARY, {**PLAIN["xgboost"], "grow_policy": "lossguide", "max_leaves": 8}, ResumeKind.INIT_MODEL),
    ("xgboost", Task.BINARY, {}, ResumeKind.REPLAY),
    ("xgboost", Task.BINARY, {"colsample_bylevel": 1.0}, ResumeKind.REPLAY),
    ("xgboost", Task.REGRESSION, {}, ResumeKind.REPLAY),
    ("xgboost", Task.BINARY, {"booster": "dart", "rate_drop": 0.2}, ResumeKind.REPLAY),
    ("xgboost", Task.MULTICLASS, {"num_parallel_tree": 2}, ResumeKind.REPLAY),
    ("catboost", Task.BINARY, {"bagging_temperature": 1.0}, ResumeKind.SNAPSHOT),
    ("catboost", Task.BINARY, {"bootstrap_type": "MVS"}, ResumeKind.SNAPSHOT),
    ("catboost", Task.MULTICLASS, {"grow_policy": "Lossguide", "max_leaves": 8}, ResumeKind.SNAPSHOT),
    ("catboost", Task.REGRESSION, {"objective": "quantile", "quantile": 0.9}, ResumeKind.SNAPSHOT),
    ("catboost", Task.BINARY, {"boosting_type": "Ordered", "rsm": 0.7}, ResumeKind.SNAPSHOT),
]


@pytest.mark.parametrize(("family", "task", "params", "kind"), RESUMED, ids=str)
def test_a_resumed_training_ends_with_the_same_bytes(
    family: str, task: Task, params: dict[str, JsonValue], kind: ResumeKind, tmp_path: Path
) -> None:
    job = job_of(family, task, params, tmp_path / "whole", rounds=60 if family == "catboost" else 24)
    assert policy(job).kind is kind
    assert policy(job).exact
    saved: list[Path] = []
    with opened(job) as session:
        for number, _ in enumerate(session.units()):
            if number in (0, 1, 13):
                saved.append(tmp_path / f"state-{number}")
                saved[-1].mkdir()
                session.save(saved[-1])
        undisturbed = exported(session, tmp_path / "undisturbed")
    for folder in saved:
        with opened(replace(job, workdir=tmp_path / "again")) as session:
            session.restore(folder)
            for _ in session.units():
                pass
            assert exported(session, tmp_path / f"model-{folder.name}") == undisturbed


_CHILD = """
import sys
from pathlib import Path
from trainwright.core.tasks import Task
from trainwright.engines.testing import exported, opened
from tests.engines.test_boosters import job_of
family, folder = sys.argv[1], Path(sys.argv[2])
with opened(job_of(family, Task.BINARY, {}, folder / "child")) as session:
    session.restore(folder / "state")
    for _ in session.units():
        pass
    print(exported(session, folder / "child-model"))
"""


@pytest.mark.parametrize("family", BOOSTERS)
def test_another_process_goes_on_with_the_same_bytes(family: str, tmp_path: Path) -> None:
    job = job_of(family, Task.BINARY, {}, tmp_path / "work")
    (tmp_path / "state").mkdir()
    with opened(job) as session:
        units = session.units()
        next(units)
        session.save(tmp_path / "state")
        for _ in units:
            pass
        undisturbed = exported(session, tmp_path / "model")
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _CHILD, family, str(tmp_path)]
    child = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, timeout=120)
    assert child.stdout.strip() == undisturbed


@pytest.mark.parametrize("family", BOOSTERS)
def test_a_state_of_another_training_is_refused_and_says_why(family: str, tmp_path: Path) -> None:
    job = job_of(family, Task.BINARY, {}, tmp_path / "work")
    (tmp_path / "state").mkdir()
    with opened(job) as session:
        next(session.units())
        session.save(tmp_path / "state")
    others = {
        "learning_rate": job_of(family, Task.BINARY, {"learning_rate": 0.5}, tmp_path / "other"),
        "threads": replace(job, threads=2),
        "rounds_limit": replace(job, plan=replace(job.plan, rounds=50)),
        "data": replace(job, train=replace(job.train, y=1 - job.train.y)),
    }
    for what, other in others.items():
        with opened(other) as session, pytest.raises(ArtifactRefused, match=what):
            session.restore(tmp_path / "state")


@pytest.mark.parametrize("family", BOOSTERS)
def test_a_state_before_the_first_round_restores(family: str, tmp_path: Path) -> None:
    job = job_of(family, Task.REGRESSION, {}, tmp_path / "work", rounds=4)
    (tmp_path / "state").mkdir()
    with opened(job) as session:
        session.save(tmp_path / "state")
        session.restore(tmp_path / "state")
        assert [unit.rounds for unit in session.units()][-1] == 4


@pytest.mark.parametrize("family", ["lightgbm", "xgboost"])
def test_a_replay_that_reaches_another_model_is_refused(family: str, tmp_path: Path) -> None:
    job = job_of(family, Task.BINARY, {}, tmp_path / "work")
    state = tmp_path / "state"
    state.mkdir()
    with opened(job) as session:
        next(session.units())
        session.save(state)
    document = json.loads((state / "state.json").read_text())
    document["model_digest"] = "0" * 64
    (state / "state.json").write_text(json.dumps(document))
    with opened(job) as session, pytest.raises(ArtifactRefused, match="does not repeat"):
        session.restore(state)


def test_equal_sessions_of_a_booster_differ_by_seed(tmp_path: Path) -> None:
    for family in BOOSTERS:
        found = set()
        for seed in (1, 2):
            job = make_job(Case(family, family, Task.BINARY), tmp_path / f"{family}-{seed}", seed=seed)
            with trained(job) as session:
                found.add(session.predict_part("val").tobytes())
        assert len(found) == 2, family


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS])
def test_the_loss_curve_is_the_log_loss_of_the_validation_rows(task: Task, tmp_path: Path) -> None:
    job = job_of("lightgbm", task, {}, tmp_path / "work")
    assert job.val is not None
    with opened(job) as session:
        for unit in session.units():
            chosen = session.predict_part("val")[np.arange(job.val.rows), job.val.y]
            assert unit.curves["val_loss"][-1] == pytest.approx(-np.log(chosen).mean(), rel=1e-6)


@pytest.mark.parametrize("family", BOOSTERS)
@pytest.mark.parametrize("task", sorted(TABLE_TASKS))
def test_running_scores_are_the_predictions_after_every_unit(family: str, task: Task, tmp_path: Path) -> None:
    job = job_of(family, task, {}, tmp_path / "work", rounds=75)
    job = replace(job, train=replace(job.train, y=job.train.y + 100 * (task is Task.REGRESSION)))
    assert job.val is not None
    with opened(job) as session:
        for number, _ in enumerate(session.units()):
            if number % 2 == 0:
                exact = session.predict(job.val.X)
                np.testing.assert_allclose(session.predict_part("val"), exact, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", BOOSTERS)
def test_a_quantile_objective_lies_above_that_share(family: str, tmp_path: Path) -> None:
    params: dict[str, JsonValue] = {"objective": "quantile", "quantile": 0.9}
    job = job_of(family, Task.REGRESSION, params, tmp_path / "work", rounds=60)
    with trained(job) as session:
        below = np.mean(job.train.y <= session.predict_part("train"))
    assert 0.8 < below <= 1.0


@pytest.mark.parametrize("family", BOOSTERS)
@pytest.mark.parametrize("objective", ["poisson", "tweedie", "absolute_error", "huber"])
def test_regression_objectives_predict_on_the_scale_of_the_target(family: str, objective: str, tmp_path: Path) -> None:
    job = job_of(family, Task.REGRESSION, {"objective": objective}, tmp_path / "work", rounds=60)
    counts = np.floor(np.exp(np.clip(job.train.y, -2, 2))) + 1.0
    job = replace(job, train=replace(job.train, y=counts))
    with trained(job) as session:
        predictions = session.predict_part("train")
        exported(session, tmp_path / "model")
        loaded = registry.load("engines", family).load(tmp_path / "model").predict(job.train.X)
    np.testing.assert_allclose(loaded, predictions, rtol=1e-9)
    assert np.mean(np.abs(predictions - counts)) < 0.7 * np.mean(np.abs(counts - np.median(counts)))


@pytest.mark.parametrize("family", BOOSTERS)
def test_categories_are_not_numbers(family: str, tmp_path: Path) -> None:
    """The target depends on whether the code is odd, which one split on an ordered code cannot tell."""
    draw = np.random.default_rng(0)
    codes = draw.integers(0, 12, 2000).astype(float)
    X = np.column_stack([draw.normal(size=2000), codes, draw.normal(size=2000)])
    y = (codes % 2).astype(np.int64)
    plan = plan_of(family, Task.BINARY, {"depth" if family == "catboost" else "max_depth": 1}, rounds=20)
    base = make_job(Case(family, family, Task.BINARY), tmp_path / "work", plan=plan)
    job = replace(
        base,
        train=Table(X=X[:1500], y=y[:1500]),
        val=Table(X=X[1500:], y=y[1500:]),
        feature_names=("noise", "code", "more noise"),
        categorical=(1,),
        category_sizes=(12,),
    )
    with trained(job) as session:
        assert job.val is not None
        assert np.mean(session.predict_part("val").argmax(axis=1) == job.val.y) > 0.99
        assert max(session.facts().importance, key=session.facts().importance.__getitem__) == "code"
    with trained(replace(job, categorical=(), category_sizes=(), workdir=tmp_path / "ordered")) as session:
        assert np.mean(session.predict_part("val").argmax(axis=1) == job.val.y) < 0.99


@pytest.mark.parametrize("family", BOOSTERS)
def test_sparse_and_dense_rows_can_be_mixed(family: str, tmp_path: Path) -> None:
    job = make_job(Case(family, family, Task.BINARY), tmp_path / "work", layout="sparse")
    assert job.val is not None
    with trained(job) as session:
        dense = session.predict(np.asarray(job.val.X.toarray()))  # type: ignore[union-attr]
        np.testing.assert_array_equal(dense, session.predict(job.val.X))


@pytest.mark.parametrize("family", BOOSTERS)
def test_a_smaller_matrix_and_an_early_question_are_refused(family: str, tmp_path: Path) -> None:
    job = job_of(family, Task.BINARY, {}, tmp_path / "work", rounds=3)
    with opened(job) as session:
        with pytest.raises(ValueError, match="nothing is trained yet"):
            session.predict(job.train.X)
        for _ in session.units():
            pass
        with pytest.raises(DataRefused, match="trained on 6 columns"):
            session.predict(job.train.X[:, :5])
        with pytest.raises(ValueError, match="from 1 to 3"):
            session.predict(job.train.X, rounds=4)
        with pytest.raises(ValueError, match="no repair"):
            session.apply(Repair(action="learning_rate", values={}))


def test_lightgbm_ends_when_nothing_can_be_split(tmp_path: Path) -> None:
    job = job_of("lightgbm", Task.BINARY, {**PLAIN["lightgbm"], "min_data_in_leaf": 200}, tmp_path / "work")
    with opened(job) as session:
        units = list(session.units())
        assert [unit.rounds for unit in units] == [1]
        assert np.ptp(session.predict_part("val")[:, 1]) == 0


def test_lightgbm_goes_on_after_a_round_without_a_split_when_rows_are_sampled(tmp_path: Path) -> None:
    job = job_of("lightgbm", Task.BINARY, {"min_data_in_leaf": 80, "min_gain_to_split": 8.0}, tmp_path / "work")
    with opened(job) as session:
        units = list(session.units())
        assert units[-1].rounds == job.plan.rounds
        for rounds in (1, 20, 40):
            assert session.predict(job.train.X, rounds=rounds).shape == (240, 2)


@pytest.mark.parametrize(
    ("task", "params"),
    [(Task.BINARY, {}), (Task.MULTICLASS, {}), (Task.REGRESSION, {}), (Task.REGRESSION, {"objective": "expectile"})],
    ids=str,
)
def test_catboost_passes_the_round_where_its_defaults_change(
    task: Task, params: dict[str, JsonValue], tmp_path: Path
) -> None:
    job = job_of("catboost", task, {"depth": 3, **params}, tmp_path / "work", rounds=250)
    bare = {k: v for k, v in job.plan.params.items() if k not in ("max_ctr_complexity", "leaf_estimation_iterations")}
    for plan in (job.plan, replace(job.plan, params=bare)):
        with opened(replace(job, plan=plan)) as session:
            assert [unit.rounds for unit in session.units()] == list(range(25, 251, 25))


def test_catboost_models_hold_no_times_or_paths(tmp_path: Path) -> None:
    with trained(job_of("catboost", Task.BINARY, {}, tmp_path / "work")) as session:
        exported(session, tmp_path / "model")
    content = (tmp_path / "model" / "model.cbm").read_bytes()
    assert str(tmp_path).encode() not in content
    assert b"train_finish_time" not in content


def test_catboost_leaves_no_files_behind(tmp_path: Path) -> None:
    job = job_of("catboost", Task.BINARY, {}, tmp_path / "work")
    with trained(job):
        pass
    assert list(job.workdir.iterdir()) == []
    assert not Path("catboost_info").exists()


@pytest.mark.parametrize("family", BOOSTERS)
def test_a_missing_or_broken_package_is_said_with_its_fix(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = registry.load("engines", family)
    monkeypatch.setitem(sys.modules, family, None)
    with pytest.raises(ResourceMissing, match=r"pip install 'trainwright\["):
        engine.version()

    class Broken:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == family:
                raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.delitem(sys.modules, family)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ResourceMissing, match="libgomp"):
        engine.version()


def test_the_unit_size_is_a_function_of_the_job(tmp_path: Path) -> None:
    base = make_job(
        Case("lightgbm", "lightgbm", Task.BINARY), tmp_path, plan=plan_of("lightgbm", Task.BINARY, {}, 1000)
    )

    def size(rows: int, val_rows: int, columns: int, rounds: int = 1000, smallest: int = 1) -> int:
        train = Table(X=np.broadcast_to(np.float32(0), (rows, columns)), y=np.zeros(0))
        val = Table(X=np.broadcast_to(np.float32(0), (val_rows, columns)), y=np.zeros(0))
        job = replace(base, train=train, val=val, plan=replace(base.plan, rounds=rounds))
        return _unit_size.rounds_per_unit(job, round_seconds_per_cell=2.1e-9, smallest=smallest)

    assert size(1_000, 200, 28) == 10
    assert size(1_000, 200, 28, rounds=40) == 2
    assert size(500_000, 100_000, 28) == 43
    assert size(500_000, 100_000, 280) == 10  # rounds are long: evaluating more often costs the same share
    assert size(500_000, 100_000, 3) == 50
    assert size(500_000, 100_000, 28, rounds=100) == 25
    assert size(500_000, 100_000, 28, rounds=3) == 1
    assert size(1_000, 200, 28, smallest=25) == 25
    assert size(1_000, 200, 28, rounds=12, smallest=25) == 12
