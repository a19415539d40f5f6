"""The sklearn engine: every family and style trains, predicts, resumes and exports exactly."""

import hashlib
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from trainwright.core import registry
from trainwright.core.errors import ArtifactRefused, DataRefused, SpecError, TrainingFailed
from trainwright.core.jsonable import JsonValue
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import TABLE_TASKS, Task
from trainwright.engines import sklearn as engine
from trainwright.engines.contract import Job, ResumeKind, Session, Table, Unit
from trainwright.engines.repairs import Repair
from trainwright.families.contract import Request

ROWS, VAL = 240, 60

FAMILIES: tuple[tuple[str, str, dict[str, JsonValue]], ...] = (
    ("dummy", "", {}),
    ("linear", "", {}),
    ("linear", "", {"penalty": "elasticnet", "C": 0.5}),
    ("random_forest", "", {"n_estimators": 20}),
    ("extra_trees", "", {"n_estimators": 20, "bootstrap": True, "max_samples": 0.5}),
    ("hist_gradient_boosting", "", {"max_iter": 45, "max_features": 0.5}),
    ("knn", "", {"n_neighbors": 7}),
    ("svm", "", {}),
    ("svm", "", {"kernel": "linear"}),
    ("sklearn_mlp", "", {"max_iter": 30, "learning_rate_init": 0.01}),
    ("sklearn", "sklearn.ensemble.GradientBoosting{}", {"n_estimators": 25, "subsample": 0.7, "max_features": 0.5}),
    ("sklearn", "sklearn.tree.DecisionTree{}", {"max_depth": 4}),
)
CASES = [
    pytest.param(task, name, path, params, id=f"{task.value}-{name}-{i}")
    for task in sorted(TABLE_TASKS)
    for i, (name, path, params) in enumerate(FAMILIES)
]


def make_job(
    task: Task,
    family: str,
    params: Mapping[str, JsonValue],
    workdir: Path,
    *,
    estimator: str = "",
    rounds: int | None = None,
    threads: int = 1,
    seed: int = 1,
) -> Job:
    """A job on generated rows: six numbers, then two columns of category codes for native families."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS + VAL, 8))
    X[:, 6], X[:, 7] = rng.integers(0, 5, ROWS + VAL), rng.integers(0, 3, ROWS + VAL)
    signal = X[:, 0] - 2 * X[:, 1] + X[:, 2] * X[:, 3] + (X[:, 6] == 2) + 0.3 * rng.normal(size=ROWS + VAL)
    classes = {Task.BINARY: 2, Task.MULTICLASS: 3, Task.REGRESSION: 0}[task]
    y = 50.0 + 20.0 * signal
    if classes:
        y = np.searchsorted(np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1]), signal).astype(np.int64)
    plan = registry.load("families", family).build(
        params,
        Request(
            task=task,
            num_classes=classes,
            rows=ROWS,
            columns=8,
            rounds=rounds,
            estimator=estimator.format("Classifier" if classes else "Regressor"),
        ),
    )
    native = plan.features == "native"
    if native:
        X[::17, 0] = np.nan
    if plan.features == "nonnegative":
        X = (X - X.min(axis=0)) / (X.max(axis=0) - X.min(axis=0))
    return Job(
        task=task,
        num_classes=classes,
        plan=plan,
        train=Table(X=X[:ROWS], y=y[:ROWS]),
        val=Table(X=X[ROWS:], y=y[ROWS:]),
        feature_names=tuple(f"f{i}" for i in range(8)),
        categorical=(6, 7) if native else (),
        category_sizes=(5, 3) if native else (),
        seeds=Seeds(seed),
        threads=threads,
        device="cpu",
        workdir=workdir,
    )


def trained(job: Job) -> Session:
    """A session after its last unit."""
    session = engine.open(job)
    list(session.units())
    return session


def digest(session: Session, folder: Path, rounds: int | None = None) -> str:
    """The hash of an export."""
    folder.mkdir()
    session.export(folder, rounds=rounds)
    hashed = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        hashed.update(path.name.encode() + path.read_bytes())
    return hashed.hexdigest()


@pytest.mark.parametrize(("task", "family", "path", "params"), CASES)
def test_trains_predicts_and_exports(
    task: Task, family: str, path: str, params: dict[str, JsonValue], tmp_path: Path
) -> None:
    job = make_job(task, family, params, tmp_path, estimator=path)
    session = engine.open(job)
    units = list(session.units())
    assert units[-1].rounds == job.plan.rounds
    assert [u.rounds for u in units] == sorted({u.rounds for u in units})
    assert job.val is not None
    predicted = session.predict(job.val.X)
    check_shape(predicted, job)
    assert np.array_equal(predicted, session.predict_part("val"))
    assert np.array_equal(session.predict(job.train.X), session.predict_part("train"))
    assert digest(session, tmp_path / "model") == digest(session, tmp_path / "again")
    assert np.array_equal(engine.load(tmp_path / "model").predict(job.val.X), predicted)
    assert digest(trained(job), tmp_path / "twin") == digest(session, tmp_path / "third")
    facts = session.facts()
    assert facts.num_parameters > 0
    assert facts.parameters_kind
    assert facts.optimizer
    if facts.importance:
        assert sum(facts.importance.values()) == pytest.approx(1.0)
        assert set(facts.importance) <= set(job.feature_names)
    session.close()
    session.close()


def check_shape(predicted: np.ndarray, job: Job) -> None:
    """The contract's shapes; better than guessing."""
    assert predicted.dtype == np.float64
    assert np.isfinite(predicted).all()
    assert job.val is not None
    if job.num_classes:
        assert predicted.shape == (VAL, job.num_classes)
        np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-12)
        hits = float(np.mean(predicted.argmax(axis=1) == job.val.y))
        assert hits > 0.5 or job.plan.family == "dummy"
    else:
        assert predicted.shape == (VAL,)
        error, spread = np.std(predicted - job.val.y), np.std(job.val.y)
        assert error < 0.95 * spread or job.plan.family == "dummy"


@pytest.mark.parametrize(("task", "family", "path", "params"), CASES)
def test_resumes_exactly(task: Task, family: str, path: str, params: dict[str, JsonValue], tmp_path: Path) -> None:
    job = make_job(task, family, params, tmp_path, estimator=path)
    policy = engine.resume_policy(job.plan, job.train.rows, 8)
    assert policy.exact
    assert (policy.kind is ResumeKind.REPLAY) == (job.plan.unit == "fit")
    whole = trained(job)
    want, want_predicted = digest(whole, tmp_path / "want"), whole.predict_part("val")
    stops = len(list(engine.open(job).units()))
    for stop in sorted({0, 1, stops}):
        first = engine.open(job)
        for _, _unit in zip(range(stop), first.units(), strict=False):
            pass
        state = tmp_path / f"state{stop}"
        state.mkdir()
        first.save(state)
        second = engine.open(job)
        second.restore(state)
        if stop:
            assert np.array_equal(second.predict_part("val"), first.predict_part("val"))
            assert np.array_equal(second.predict_part("train"), first.predict_part("train"))
        list(second.units())
        assert np.array_equal(second.predict_part("val"), want_predicted)
        assert np.array_equal(second.predict_part("train"), whole.predict_part("train"))
        assert digest(second, tmp_path / f"resumed{stop}") == want


@pytest.mark.parametrize("task", sorted(TABLE_TASKS))
@pytest.mark.parametrize(
    ("family", "estimator", "params"),
    [
        ("random_forest", "RandomForest", {"n_estimators": 20, "min_samples_leaf": 2}),
        ("hist_gradient_boosting", "HistGradientBoosting", {"max_iter": 45, "max_leaf_nodes": 7}),
        ("sklearn", "GradientBoosting", {"n_estimators": 25, "subsample": 0.5}),
    ],
)
def test_blocks_equal_one_fit(
    task: Task, family: str, estimator: str, params: dict[str, JsonValue], tmp_path: Path
) -> None:
    import sklearn.ensemble

    job = make_job(task, family, params, tmp_path, estimator=f"sklearn.ensemble.{estimator}{{}}", threads=1)
    session = trained(job)
    assert len(list(engine.open(job).units())) > 1
    extra: dict[str, object] = {"random_state": job.seeds.integer("sklearn")}
    rounds = {"max_iter" if estimator.startswith("Hist") else "n_estimators": job.plan.rounds}
    if estimator.startswith("Hist"):
        extra |= {"categorical_features": [6, 7], "early_stopping": False}
    cls = getattr(sklearn.ensemble, f"{estimator}{'Classifier' if job.num_classes else 'Regressor'}")
    bare = cls(**job.plan.params, **extra, **rounds).fit(job.train.X, job.train.y)
    assert job.val is not None
    staged = list(_staged(bare, job)) if hasattr(bare, "staged_predict") else []
    assert np.array_equal(session.predict(job.val.X), _output(bare, job))
    for rounds_back in (1, 7, job.plan.rounds) if staged else ():
        assert np.array_equal(session.predict(job.val.X, rounds=rounds_back), staged[rounds_back - 1])


def _output(estimator: object, job: Job) -> np.ndarray:
    assert job.val is not None
    return getattr(estimator, "predict_proba" if job.num_classes else "predict")(job.val.X)


def _staged(estimator: object, job: Job) -> list[np.ndarray]:
    assert job.val is not None
    return list(getattr(estimator, "staged_predict_proba" if job.num_classes else "staged_predict")(job.val.X))


@pytest.mark.parametrize("family", ["random_forest", "hist_gradient_boosting"])
def test_an_earlier_round_is_exported_like_a_shorter_training(family: str, tmp_path: Path) -> None:
    long = make_job(Task.BINARY, family, {}, tmp_path, rounds=60)
    short = trained(make_job(Task.BINARY, family, {}, tmp_path, rounds=23))
    session = trained(long)
    assert session.keeps_every_round
    assert digest(session, tmp_path / "cut", rounds=23) == digest(short, tmp_path / "short")
    assert session.facts(rounds=23) == short.facts()
    assert long.val is not None
    assert np.array_equal(session.predict(long.val.X, rounds=23), short.predict(long.val.X))
    assert np.array_equal(session.predict(long.val.X), session.predict_part("val")), "cutting changes nothing"
    for outside in (0, 61):
        with pytest.raises(ValueError, match="rounds"):
            session.predict(long.val.X, rounds=outside)


def test_a_model_that_keeps_no_round_says_so(tmp_path: Path) -> None:
    session = trained(make_job(Task.BINARY, "sklearn_mlp", {"max_iter": 3}, tmp_path))
    assert not session.keeps_every_round
    with pytest.raises(ValueError, match="keeps no earlier round"):
        session.predict(np.zeros((1, 8)), rounds=1)


@pytest.mark.parametrize("family", ["linear", "random_forest", "hist_gradient_boosting", "sklearn_mlp", "svm", "knn"])
def test_a_class_without_training_rows_keeps_its_column(family: str, tmp_path: Path) -> None:
    job = make_job(Task.MULTICLASS, family, {}, tmp_path, rounds=None if family in ("linear", "svm", "knn") else 5)
    keep = job.train.y != 1
    job = replace(job, train=Table(X=job.train.X[keep], y=job.train.y[keep]))
    session = trained(job)
    predicted = session.predict_part("val")
    assert predicted.shape == (VAL, 3)
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-12)
    if family != "sklearn_mlp":  # a network has an output for it, and learns to keep it low
        assert (predicted[:, 1] == 0).all()
    assert np.array_equal(session.predict_part("train"), session.predict(job.train.X))


def test_one_class_is_refused_but_the_dummy_takes_it(tmp_path: Path) -> None:
    job = make_job(Task.BINARY, "linear", {}, tmp_path)
    one = Table(X=job.train.X, y=np.zeros_like(job.train.y))
    with pytest.raises(DataRefused, match="one class"):
        engine.open(replace(job, train=one))
    dummy = trained(replace(make_job(Task.BINARY, "dummy", {}, tmp_path), train=one))
    assert (dummy.predict_part("val") == [1.0, 0.0]).all()


@pytest.mark.parametrize("family", ["linear", "random_forest", "hist_gradient_boosting", "sklearn_mlp", "svm"])
@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
def test_weights_count(task: Task, family: str, tmp_path: Path) -> None:
    job = make_job(task, family, {}, tmp_path, rounds=None if family in ("linear", "svm") else 5)
    assert job.plan.accepts_weights
    heavy = np.where(job.train.y > np.median(job.train.y) if task is Task.REGRESSION else job.train.y == 1, 20.0, 1.0)
    weighted = trained(replace(job, train=replace(job.train, weight=heavy))).predict_part("val")
    plain = trained(job).predict_part("val")
    up = (weighted - plain)[:, 1] if job.num_classes else weighted - plain
    assert up.mean() > 0


def test_large_categories_stay_numbers(tmp_path: Path) -> None:
    job = make_job(Task.BINARY, "hist_gradient_boosting", {}, tmp_path, rounds=3)
    session = engine.open(replace(job, category_sizes=(256, 3)))
    list(session.units())
    categorical = session.estimator.is_categorical_  # type: ignore[attr-defined]
    assert categorical.tolist() == [False] * 7 + [True]


def test_a_solver_that_does_not_converge_says_so(tmp_path: Path) -> None:
    (unit,) = engine.open(make_job(Task.BINARY, "linear", {"max_iter": 1}, tmp_path)).units()
    assert unit.values["converged"] == 0.0
    session = engine.open(make_job(Task.BINARY, "linear", {}, tmp_path))
    (unit,) = session.units()
    assert unit.values["converged"] == 1.0
    assert "ConvergenceWarning" in _notes(make_job(Task.BINARY, "linear", {"max_iter": 1}, tmp_path))
    assert "Warning" not in session.facts().optimizer


def _notes(job: Job) -> str:
    return trained(job).facts().optimizer


def test_epochs_report_their_loss_and_do_not_warn(tmp_path: Path) -> None:
    session = engine.open(make_job(Task.REGRESSION, "sklearn_mlp", {"max_iter": 8}, tmp_path))
    units: list[Unit] = list(session.units())
    losses = [u.values["train_loss"] for u in units]
    assert losses[-1] < losses[0]
    assert all("converged" not in u.values for u in units)
    facts = session.facts()
    assert "Warning" not in facts.optimizer
    assert (facts.learning_rate, facts.batch_size) == (1e-3, 60)


def test_each_epoch_has_its_own_order_of_rows(tmp_path: Path) -> None:
    from sklearn.neural_network import MLPClassifier

    job = make_job(Task.BINARY, "sklearn_mlp", {"max_iter": 3}, tmp_path)
    bare = MLPClassifier(**job.plan.params, random_state=job.seeds.integer("sklearn"), shuffle=False)
    for epoch in range(3):
        order = job.seeds.generator("epoch", epoch).permutation(ROWS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bare.partial_fit(job.train.X[order], job.train.y[order], classes=[0, 1])
    assert job.val is not None
    assert np.array_equal(trained(job).predict_part("val"), bare.predict_proba(job.val.X))


def test_importing_the_engine_and_the_families_loads_no_framework() -> None:
    script = (
        "import sys; from trainwright.core import registry; registry.load('engines', 'sklearn');"
        "[registry.load('families', n) for n in ('linear', 'sklearn', 'svm', 'sklearn_mlp', 'random_forest')];"
        "assert not {'sklearn', 'numpy', 'skops', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_other_seeds_give_other_models_and_same_seeds_the_same(tmp_path: Path) -> None:
    for family in ("random_forest", "sklearn_mlp"):
        jobs = [make_job(Task.BINARY, family, {}, tmp_path, rounds=5, seed=seed) for seed in (1, 1, 2)]
        digests = [digest(trained(job), tmp_path / f"{family}{i}") for i, job in enumerate(jobs)]
        assert digests[0] == digests[1]
        assert digests[0] != digests[2]


def test_forest_predictions_do_not_depend_on_the_threads(tmp_path: Path) -> None:
    one, two = (trained(make_job(Task.REGRESSION, "random_forest", {}, tmp_path, rounds=30, threads=t)) for t in (1, 2))
    many = np.random.default_rng(1).normal(size=(5000, 8))
    assert np.array_equal(one.predict(many), two.predict(many))


def test_sparse_rows(tmp_path: Path) -> None:
    for family in ("linear", "sklearn_mlp", "knn"):
        job = make_job(Task.BINARY, family, {}, tmp_path, rounds=3 if family == "sklearn_mlp" else None)
        assert job.val is not None
        sparse = replace(
            job,
            train=replace(job.train, X=scipy.sparse.csr_matrix(job.train.X)),
            val=replace(job.val, X=scipy.sparse.csr_matrix(job.val.X)),
        )
        session = trained(sparse)
        np.testing.assert_allclose(session.predict_part("val"), trained(job).predict_part("val"), atol=1e-3)
        assert session.facts().num_parameters > 0


_SCRIPT = """
import sys
import warnings
from pathlib import Path
from tests.engines.test_sklearn import FAMILIES, digest, make_job, trained
from trainwright.core.tasks import Task
folder = Path(sys.argv[1])
for i, (family, path, params) in enumerate(FAMILIES):
    for task in (Task.MULTICLASS, Task.REGRESSION):
        job = make_job(task, family, params, folder, estimator=path)
        print(family, i, task, digest(trained(job), folder / f"{family}{i}{task}"))
"""


@pytest.mark.slow
def test_other_processes_give_the_same_bytes(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    printed: list[str] = []
    for seed in ("0", "1"):
        folder = tmp_path / seed
        folder.mkdir()
        env = {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{root / 'src'}:{root}", "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(folder)], capture_output=True, text=True, env=env, check=True
        )
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert len(printed[0].splitlines()) == 2 * len(FAMILIES)


class _Stranger:
    """A type no estimator needs."""

    def __init__(self) -> None:
        self.payload = 1


def test_a_foreign_type_is_refused_by_name(tmp_path: Path) -> None:
    import skops.io

    session = trained(make_job(Task.BINARY, "linear", {}, tmp_path))
    digest(session, tmp_path / "model")
    skops.io.dump(_Stranger(), tmp_path / "model" / "estimator.skops")
    with pytest.raises(ArtifactRefused, match="_Stranger"):
        engine.load(tmp_path / "model")


@pytest.mark.parametrize("family", ["linear", "random_forest"])
def test_damaged_models_are_refused(family: str, tmp_path: Path) -> None:
    session = trained(make_job(Task.BINARY, family, {}, tmp_path, rounds=None if family == "linear" else 3))
    digest(session, tmp_path / "model")
    path = tmp_path / "model" / "estimator.skops"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ArtifactRefused, match=r"estimator\.skops"):
        engine.load(tmp_path / "model")
    (tmp_path / "model" / "model.json").write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactRefused, match=r"model\.json"):
        engine.load(tmp_path / "model")


def test_a_state_of_another_estimator_is_refused(tmp_path: Path) -> None:
    session = trained(make_job(Task.BINARY, "linear", {}, tmp_path))
    state = tmp_path / "state"
    state.mkdir()
    session.save(state)
    with pytest.raises(ArtifactRefused, match="LogisticRegression"):
        engine.open(make_job(Task.BINARY, "knn", {}, tmp_path)).restore(state)


def test_what_the_estimator_cannot_take_is_named(tmp_path: Path) -> None:
    job = make_job(Task.BINARY, "linear", {}, tmp_path)
    broken = job.train.X.copy()
    broken[0, 0] = np.nan
    session = engine.open(replace(job, train=replace(job.train, X=broken)))
    with pytest.raises(TrainingFailed, match="LogisticRegression cannot be fitted"):
        list(session.units())
    plan = replace(job.plan, estimator="os.path.join")
    with pytest.raises(SpecError, match="scikit-learn"):
        engine.open(replace(job, plan=plan))


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    session = trained(make_job(Task.BINARY, "linear", {}, tmp_path))
    with pytest.raises(DataRefused, match="trained on 8 features, these rows have 7"):
        session.predict(np.zeros((2, 7)))
    with pytest.raises(DataRefused, match="cannot predict these rows"):
        session.predict(np.full((2, 8), np.nan))


def test_nothing_is_predicted_or_repaired_before_training(tmp_path: Path) -> None:
    session = engine.open(make_job(Task.BINARY, "linear", {}, tmp_path))
    with pytest.raises(ValueError, match="nothing is trained"):
        session.predict(np.zeros((1, 8)))
    with pytest.raises(ValueError, match="no repair"):
        session.apply(Repair(action="learning_rate", values={"factor": 0.5}))


@pytest.mark.slow
@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
def test_every_estimator_of_scikit_learn_trains_or_is_refused_beforehand(task: Task, tmp_path: Path) -> None:
    from sklearn.utils import all_estimators

    kind = "regressor" if task is Task.REGRESSION else "classifier"
    family = registry.load("families", "sklearn")
    refused = []
    for name, cls in all_estimators(type_filter=kind):
        path = f"{cls.__module__.split('._')[0]}.{name}"
        request = Request(task=task, num_classes=3, rows=ROWS, columns=8, estimator=path)
        if problems := family.problems({}, request):
            assert [p.name for p in problems] == ["model_type"]
            refused.append(name)
            continue
        job = make_job(task, "sklearn", {}, tmp_path, estimator=path, rounds=3)
        if task is Task.REGRESSION:  # gamma and Poisson losses ask for values above zero
            job = replace(job, train=replace(job.train, y=job.train.y - job.train.y.min() + 1.0))
        session = trained(job)
        want = digest(session, tmp_path / name)
        assert want == digest(trained(job), tmp_path / f"{name}2"), name
        assert job.val is not None
        assert np.array_equal(engine.load(tmp_path / name).predict(job.val.X), session.predict_part("val")), name
        assert session.facts().num_parameters > 0, name
    assert len(refused) < 20
