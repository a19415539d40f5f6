"""Sick trainings, each made from a healthy one by breaking one thing, and the healthy ones.

The data is scikit-learn's. Half of the cases (`tuning`) set the doctor's thresholds; what is reported comes from the
other half.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets

from trainwright.core import registry
from trainwright.core.clock import SystemClock
from trainwright.core.errors import TrainingFailed
from trainwright.core.events import Event
from trainwright.core.jsonable import JsonValue
from trainwright.core.metrics import default_metric, loss_metric
from trainwright.core.plan import ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.doctor.history import History, history_of
from trainwright.doctor.remedies import Mode, Policy
from trainwright.engines._contract_jobs import Question
from trainwright.engines.contract import Job, Session, Table
from trainwright.families import _own
from trainwright.fit.driver import fit
from trainwright.fit.jobs import open_session
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules
from trainwright.fit.stop import StopRequest

Data = tuple[np.ndarray, np.ndarray, Task]
_BY_THE_CLOCK = ("doctor.starved", "doctor.device_idle")  # what else the machine does decides these
_NET = Path(__file__).with_name("net.py")
BOOSTERS = ("lightgbm", "xgboost")
NETWORK: Mapping[str, JsonValue] = {
    "hidden_sizes": [64, 64],
    "activation": "relu",
    "dropout": 0.0,
    "front_scale": False,
    "numeric_embedding": "none",
    "label_smoothing": 0.0,
    "weight_decay": 0.0,
    "learning_rate": 0.02,
    "batch_size": 32,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One training. ``expected`` are the codes of which one must be found; none for a healthy training.
    ``draw`` numbers other splits and seeds than those that thresholds were set on (0); ``seed`` other seeds alone.
    ``net`` is the class of `tests/clinic/net.py` that the family ``own`` trains.

    ``broken`` changes the data (train X, train y, val X, val y), ``tamper`` the opened session. ``healthy_as`` names
    the healthy case that a repair should come up to.
    """

    name: str
    data: str
    family: str = "mlp"
    net: str = "Net"
    params: Mapping[str, JsonValue] = field(default_factory=lambda: NETWORK)
    recipe: Mapping[str, JsonValue] | None = None
    rounds: int = 20
    patience: int = 8
    rows: int = 400
    expected: tuple[str, ...] = ()
    healthy_as: str = ""
    draw: int = 0
    seed: int = 0
    broken: Callable[[list[np.ndarray]], None] | None = None
    tamper: Callable[[Any], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a case: the doctor's codes, how it was repaired, and of the selected round validation ``loss`` and
    ``score``: the metric that the command takes for the task where the spec names none."""

    codes: tuple[str, ...]
    repairs: tuple[str, ...]
    loss: float | None
    score: float | None
    history: History
    events: tuple[Event, ...]
    failed: bool = False


def run(case: Case, workdir: Path, *, mode: Mode = "auto") -> Seen:
    """Train it through the driver, as the final model of a run is."""
    workdir.mkdir(parents=True, exist_ok=True)
    events: list[Event] = []
    clock = SystemClock()
    job = job_of(case, workdir)
    session = opened(case, job)
    loss, metric = loss_metric(job.task), default_metric(job.task)
    rules = Rules(watch=loss, primary=metric, patience=case.patience, repairs=Policy(mode=mode))
    try:
        fitted = fit(
            session,
            job,
            rules,
            stage="fit",
            recorder=Recorder(clock=clock, started_s=clock.elapsed(), listeners=[events.append]),
            stop=StopRequest(),
            checkpoints=workdir / "checkpoints",
            resumable=False,
            anew=partial(opened, case),
        )
    except TrainingFailed as error:
        codes = tuple(finding.code for finding in error.findings)
        history = history_of(events)
        return Seen(codes=codes, repairs=(), loss=None, score=None, history=history, events=tuple(events), failed=True)
    finally:
        session.close()
    serious = [f.code for f in fitted.findings if f.code.startswith("doctor.") and f.severity.value != "info"]
    serious = [code for code in serious if code not in _BY_THE_CLOCK or code in case.expected]
    history, progress = history_of(events), fitted.progress
    scores = history.of(f"val.{metric.name}")
    return Seen(
        codes=tuple(serious),
        repairs=tuple(one.action for one in fitted.repairs),
        loss=progress.best_value,
        score=dict(zip(scores.steps, scores.values, strict=True)).get(progress.best_rounds),
        history=history,
        events=tuple(events),
    )


def opened(case: Case, job: Job) -> Session:
    """A session of the case, as ill as the case is: also where a repair begins again."""
    session = open_session(job)
    if case.tamper is not None:
        case.tamper(session)
    return session


def job_of(case: Case, workdir: Path) -> Job:
    """The training job of a case."""
    X, y, task = load(case.data)
    order = np.random.default_rng(5 + case.draw).permutation(len(y))
    cut = min(case.rows, len(y) * 7 // 10)
    train, val = order[:cut], order[cut : cut + 200]
    tokens = int(X.max()) + 1 if X.dtype == np.int32 else 0
    if not tokens:
        spread = np.where(X[train].std(axis=0) > 0, X[train].std(axis=0), 1.0)
        X = ((X - X[train].mean(axis=0)) / spread).astype(np.float32)
    parts = [X[train].copy(), y[train].copy(), X[val].copy(), y[val].copy()]
    if case.broken is not None:
        case.broken(parts)
    classes = int(y.max()) + 1 if task.is_classification else 0
    columns = parts[0].shape[1]
    return Job(
        task=task,
        num_classes=classes,
        plan=_plan(case, task, classes, cut, columns),
        train=Table(X=parts[0], y=parts[1]),
        val=Table(X=parts[2], y=parts[3]),
        feature_names=("text",) if tokens else tuple(f"x{i}" for i in range(columns)),
        categorical=(),
        category_sizes=(),
        seeds=Seeds(3 + case.draw + 1000 * case.seed),
        threads=1,
        device="cpu",
        workdir=workdir,
        vocabulary=tokens,
    )


def _plan(case: Case, task: Task, classes: int, rows: int, columns: int) -> ModelPlan:
    question = Question(
        task=task,
        num_classes=classes,
        rows=rows,
        columns=columns,
        rounds=case.rounds,
        target_is_count=False,
        estimator="",
    )
    plan: ModelPlan
    if case.family == "own":
        plan = _own.build({}, replace(question, estimator=f"{_NET}:{case.net}"))  # type: ignore[arg-type]  # as Question says
    else:
        plan = registry.load("families", case.family).build(case.params, question)
    recipe = plan.options.get("recipe")
    if isinstance(recipe, Mapping):
        fixed: dict[str, JsonValue] = {"scheduler": {"name": "constant"}, "statistics_every": 10, "num_workers": 0}
        if case.family == "own":
            fixed |= {"optimizer": {"name": "adamw", "lr": 0.003}, "batch_size": 32}
        changed = {**recipe, **fixed, **(case.recipe or {})}
        plan = replace(plan, options={**plan.options, "recipe": changed})
    return replace(plan, rounds=case.rounds)


def load(name: str) -> Data:
    """A data set of scikit-learn's, with its task. ``circles`` is one that no straight line divides, ``pixels`` are the
    digits as texts: a token for each of 64 pixels, row by row; ``blocks`` for each of 16 squares of them."""
    if name == "circles":
        X, y = datasets.make_circles(600, noise=0.1, factor=0.4, random_state=1)
        return X, y.astype(np.int64), Task.BINARY
    if name == "xor":
        X = np.random.default_rng(2).normal(size=(600, 2))
        return X, (X[:, 0] * X[:, 1] > 0).astype(np.int64), Task.BINARY
    if name in ("pixels", "blocks"):
        X, y = datasets.load_digits(return_X_y=True)
        if name == "blocks":
            X = X.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
        return (X + 1).astype(np.int32), y.astype(np.int64), Task.MULTICLASS  # 0 is padding
    if name == "moons":
        X, y = datasets.make_moons(600, noise=0.25, random_state=3)
        return X, y.astype(np.int64), Task.BINARY
    if name == "friedman":
        X, y = datasets.make_friedman1(600, noise=1.0, random_state=3)
        return X, y, Task.REGRESSION
    if name == "made":
        X, y = datasets.make_classification(800, 20, n_informative=8, n_classes=4, random_state=3)
        return X, y.astype(np.int64), Task.MULTICLASS
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "diabetes":
        return X, y.astype(np.float64), Task.REGRESSION
    return X, y.astype(np.int64), Task.BINARY if y.max() == 1 else Task.MULTICLASS


def _shuffled(parts: list[np.ndarray]) -> None:
    for at in (1, 3):
        parts[at] = np.random.default_rng(at).permutation(parts[at])


def _flipped(share: float) -> Callable[[list[np.ndarray]], None]:
    def flip(parts: list[np.ndarray]) -> None:
        draw = np.random.default_rng(9)
        classes = parts[1].max() + 1
        for at in (1, 3):
            wrong = draw.random(len(parts[at])) < share
            parts[at][wrong] = draw.integers(0, classes, int(wrong.sum()))

    return flip


def _leaked(parts: list[np.ndarray]) -> None:
    for X, y in ((0, 1), (2, 3)):
        parts[X][:, 0] = 3 * (parts[y] - parts[y].mean())


def _raw(parts: list[np.ndarray]) -> None:
    for X in (0, 2):
        parts[X] *= np.float32(10) ** np.arange(parts[X].shape[1]).clip(0, 5).astype(np.float32)


def _poisoned(value: float) -> Callable[[list[np.ndarray]], None]:
    def poison(parts: list[np.ndarray]) -> None:
        parts[0][7, 0] = value

    return poison


def _dead_units(session: Any) -> None:
    import torch

    with torch.no_grad():
        for name, p in session._network.named_parameters():
            if name.endswith("bias") and len(p) == 64:
                p.fill_(-30.0)


def _frozen(session: Any) -> None:
    first = next(p for p in session._network.parameters() if p.ndim == 2)
    layer = next(m for m in session._network.modules() if any(p is first for p in m.parameters(recurse=False)))
    for p in layer.parameters(recurse=False):
        p.register_hook(lambda g: g * 0)


def _tiny_weights(session: Any) -> None:
    import torch

    with torch.no_grad():
        for p in session._network.parameters():
            if p.ndim == 2:
                p.mul_(0.02)


def _large_recurrent(session: Any) -> None:
    """Recurrent weights so large that what a cell holds grows or flips at each of its positions."""
    import torch

    with torch.no_grad():
        for name, p in session._network.named_parameters():
            if "weight_hh" in name:
                p.mul_(30.0)


def _slow(session: Any) -> None:
    session._decide()
    source, plain = session._feed.source, session._feed.source.batches

    def slowly(*given: Any, **named: Any) -> Iterator[Any]:
        for batch in plain(*given, **named):
            time.sleep(0.05)
            yield batch

    source.batches = slowly


def _short_schedule(session: Any) -> None:
    """A rate that falls to a thousandth over the first third."""
    plain = session._rate

    def rate() -> float:
        done = (session._epoch * session._steps + session._step) / (session._steps * session._job.plan.rounds)
        return float(plain() * max(1e-3, 1 - 3 * done))

    session._rate = rate


_RECURRENT: Mapping[str, JsonValue] = {
    "embedding": 16,
    "width": 16,
    "dropout": 0.0,
    "pooling": "mean",
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "batch_size": 32,
}
_UNCLIPPED: Mapping[str, JsonValue] = {
    "clip_norm": None,
    "optimizer": {"name": "sgd", "lr": 0.3, "momentum": 0.9},
}


def _momentum(rate: float, clip_norm: float | None) -> dict[str, JsonValue]:
    return {"clip_norm": clip_norm, "optimizer": {"name": "sgd", "lr": rate, "momentum": 0.9}}


def _net(**changes: JsonValue) -> dict[str, JsonValue]:
    return {**NETWORK, **changes}


_RATE = ("doctor.loss_exploding", "doctor.non_finite", "doctor.rate_too_high")
_SLOW = ("doctor.rate_too_low", "doctor.loss_stuck", "doctor.rounds_too_few")
_HEART = ("doctor.learned_by_heart",)
_OVER = ("doctor.overfitting", "doctor.label_noise", "doctor.learned_by_heart")
_BOOST = {"learning_rate": 0.1}


def sick() -> list[Case]:
    """Trainings with one thing broken."""
    cases = [
        Case(
            name=f"rate x1000: {d}",
            data=d,
            params=_net(learning_rate=20.0),
            rounds=40,
            expected=_RATE,
            healthy_as=f"mlp: {d}",
        )
        for d in ("breast_cancer", "digits", "diabetes", "wine")
    ]
    cases += [
        Case(
            name=f"rate /1000: {d}",
            data=d,
            params=_net(learning_rate=2e-5),
            rounds=40,
            expected=_SLOW,
            healthy_as=f"mlp: {d}",
        )
        for d in ("breast_cancer", "digits", "diabetes", "wine")
    ]
    cases += [
        Case(name=f"shuffled labels: {f}, {d}", data=d, family=f, params=p, rounds=r, broken=_shuffled, expected=_OVER)
        for f, d, p, r in (
            ("mlp", "breast_cancer", NETWORK, 40),
            ("mlp", "digits", NETWORK, 40),
            ("lightgbm", "breast_cancer", _BOOST, 60),
            ("xgboost", "wine", _BOOST, 60),
        )
    ]
    dead = ("doctor.dead_layer", "doctor.vanishing_gradients")
    cases += [
        Case(name="dead units", data="digits", tamper=_dead_units, expected=dead),
        Case(name="dead units: wine", data="wine", tamper=_dead_units, expected=dead),
        Case(name="frozen layer", data="breast_cancer", tamper=_frozen, expected=dead),
        Case(name="frozen layer: digits", data="digits", tamper=_frozen, expected=dead),
        Case(
            name="tiny weights, six layers",
            data="digits",
            params=_net(hidden_sizes=[64] * 6, activation="tanh", learning_rate=1e-4),
            tamper=_tiny_weights,
            expected=(*dead, *_SLOW, "doctor.underfitting"),
        ),
        Case(
            name="features not scaled",
            data="breast_cancer",
            family="own",
            broken=_raw,
            expected=("doctor.inputs_not_scaled",),
        ),
        Case(
            name="infinite value in a row",
            data="breast_cancer",
            family="own",
            broken=_poisoned(np.inf),
            expected=("doctor.non_finite",),
            healthy_as="own: breast_cancer",
        ),
        Case(
            name="1e30 in a row",
            data="digits",
            family="own",
            broken=_poisoned(1e30),
            expected=("doctor.non_finite", "doctor.loss_exploding"),
            healthy_as="own: digits",
        ),
        Case(
            name="-1e30 in a row",
            data="diabetes",
            family="own",
            broken=_poisoned(-1e30),
            expected=("doctor.non_finite", "doctor.loss_exploding"),
            healthy_as="own: diabetes",
        ),
    ]
    leaks = ("doctor.too_good",)
    cases += [
        Case(
            name="leaked target: network", data="breast_cancer", family="own", broken=_leaked, rounds=40, expected=leaks
        ),
        Case(
            name="leaked target: lightgbm",
            data="breast_cancer",
            family="lightgbm",
            params=_BOOST,
            rounds=150,
            broken=_leaked,
            expected=leaks,
        ),
    ]
    cases += [
        Case(
            name=f"40 rows, large model: {d}",
            data=d,
            rows=40,
            params=_net(hidden_sizes=[256, 256]),
            rounds=60,
            patience=0,
            expected=(*_OVER, "doctor.miscalibrated"),
        )
        for d in ("digits", "diabetes")
    ]
    cases += [
        Case(
            name=f"half of the labels drawn: {d}",
            data=d,
            broken=_flipped(0.5),
            params=_net(hidden_sizes=[128, 128]),
            rounds=50,
            patience=0,
            expected=(*_OVER, "doctor.miscalibrated"),
        )
        for d in ("breast_cancer", "wine")
    ]
    few = ("doctor.rounds_too_few", "doctor.underfitting", "doctor.loss_stuck")
    stump = {"num_leaves": 2, "learning_rate": 0.1}
    cases += [
        Case(
            name="stumps on a task of two columns together",
            data="xor",
            family="lightgbm",
            params=stump,
            rounds=60,
            expected=few,
        ),
        Case(
            name="one unit for a circle",
            data="circles",
            params=_net(hidden_sizes=[1], activation="tanh", learning_rate=0.01),
            rounds=30,
            expected=few,
        ),
        Case(
            name="no leaf is large enough",
            data="breast_cancer",
            family="lightgbm",
            params={"min_child_samples": 1000, "learning_rate": 0.1},
            rounds=30,
            expected=("doctor.no_split", "doctor.underfitting", "doctor.loss_stuck"),
        ),
    ]
    cases += [
        Case(
            name=f"few rounds at a low rate: {f}, {d}",
            data=d,
            family=f,
            params={"learning_rate": 0.005},
            rounds=40,
            expected=few,
        )
        for f, d in (("lightgbm", "breast_cancer"), ("xgboost", "digits"), ("lightgbm", "diabetes"))
    ]
    cases += [
        Case(
            name=f"rate of 30: {f}",
            data="breast_cancer",
            family=f,
            params={"learning_rate": 30.0},
            rounds=30,
            expected=(*_RATE, "doctor.oscillation"),
        )
        for f in BOOSTERS
    ]
    cases += [
        Case(
            name="patience of one",
            data="diabetes",
            params=_net(learning_rate=0.005, batch_size=8),
            rounds=100,
            patience=1,
            expected=("doctor.stopped_too_early",),
        ),
        Case(
            name="the schedule ends too soon",
            data="digits",
            params=_net(learning_rate=0.001),
            rounds=30,
            tamper=_short_schedule,
            patience=0,
            expected=("doctor.schedule_too_short",),
        ),
        Case(name="slow loader", data="wine", rounds=6, tamper=_slow, expected=("doctor.starved",)),
    ]
    # later ones stand behind, so that the halves stay what they were
    cases += [
        Case(
            name="features not scaled: diabetes",
            data="diabetes",
            family="own",
            broken=_raw,
            expected=("doctor.inputs_not_scaled",),
        ),
    ]
    wrong = ("doctor.output_squashed", "doctor.dead_layer")  # a last ReLU may be off for all rows from the start
    cases += [
        Case(name=f"{what}: {d}", data=d, family="own", net=net, expected=wrong)
        for what, d, net in (
            ("softmax before the loss", "digits", "Softmaxed"),
            ("softmax before the loss", "wine", "Softmaxed"),
            ("sigmoid before the loss", "breast_cancer", "Sigmoid"),
            ("ReLU as the last layer", "diabetes", "Clipped"),
        )
    ]
    cases += [
        Case(
            name=f"large recurrent weights: {f}",
            data="pixels",
            family=f,
            params=_RECURRENT,
            recipe=_UNCLIPPED,
            rounds=6,
            tamper=_large_recurrent,
            expected=(*_RATE, "doctor.exploding_gradients", "doctor.loss_spike"),
        )
        for f in ("gru", "lstm")
    ]
    cases += [
        Case(
            name=f"rate {name}: {d}",
            data=d,
            params=_net(learning_rate=rate),
            rounds=40,
            expected=expected,
            healthy_as=f"mlp: {d}",
        )
        for name, rate, expected in (("x700", 14.0, _RATE), ("/300", 0.02 / 300, _SLOW))
        for d in ("breast_cancer", "digits", "diabetes", "wine")
    ]
    cases += [
        Case(
            name=f"recurrent, no clip norm: digits at {rate:g}",
            data="digits",
            family="own",
            net="Recurrent",
            recipe=_momentum(rate, None),
            rounds=40,
            expected=("doctor.exploding_gradients", *_RATE),
            healthy_as=f"recurrent, clipped: digits at {rate:g}",
        )
        for rate in (0.01, 0.03)
    ]
    return cases


def healthy() -> list[Case]:
    """Trainings as they should be."""
    sets = ("breast_cancer", "digits", "diabetes", "wine", "iris")
    cases = [Case(name=f"mlp: {d}", data=d, rounds=40) for d in sets]
    cases += [Case(name=f"own: {d}", data=d, family="own") for d in sets[:3]]
    cases += [Case(name=f"mlp, wider: {d}", data=d, params=_net(hidden_sizes=[128]), rounds=40) for d in sets]
    cases += [
        Case(
            name=f"mlp as the family has it: {d}",
            data=d,
            params={"hidden_sizes": [32, 32]},
            recipe={"scheduler": {"name": "coslog4"}},
            rounds=40,
            patience=22,
        )
        for d in sets
    ]
    cases += [
        Case(name=f"{f}: {d}", data=d, family=f, params=_BOOST, rounds=rounds, patience=patience)
        for f in BOOSTERS
        for d in sets
        for rounds, patience in ((300, 50) if (f, d) == ("lightgbm", "iris") else (150, 10),)  # still falling at 150
    ]
    cases += [
        Case(
            name=f"sgd: {d}",
            data=d,
            params=_net(learning_rate=0.2),
            recipe={"optimizer": {"name": "sgd", "lr": 0.2, "momentum": 0.9}, "scheduler": {"name": "cosine"}},
            rounds=30,
        )
        for d in ("breast_cancer", "digits", "wine")
    ]
    cases += [
        Case(name="mlp: circles", data="circles", rounds=40),
        Case(name="lightgbm: xor", data="xor", family="lightgbm", params=_BOOST, rounds=100, patience=10),
    ]
    made = ("moons", "friedman", "made")
    cases += [Case(name=f"mlp: {d}", data=d, rounds=40) for d in made]
    cases += [Case(name=f"own: {d}", data=d, family="own", rounds=30) for d in made]
    cases += [
        Case(name=f"{f}: {d}", data=d, family=f, params=_BOOST, rounds=150, patience=10) for f in BOOSTERS for d in made
    ]
    cases += [
        Case(name=f"{f}: {d}", data=d, family=f, params=_BOOST, rounds=100, patience=10)
        for f in ("catboost", "hist_gradient_boosting")
        for d in ("breast_cancer", "diabetes", "wine", "friedman")
    ]
    cases += [
        Case(name=f"sklearn_mlp: {d}", data=d, family="sklearn_mlp", params={}, rounds=60)
        for d in ("breast_cancer", "digits", "diabetes")
    ]
    cases += [
        Case(
            name=f"{f}: blocks",
            data="blocks",
            family=f,
            params=_RECURRENT,
            recipe={"scheduler": {"name": "cosine"}},
            rounds=25,
        )
        for f in ("gru", "lstm")
    ]
    cases += [
        Case(
            name=f"recurrent, clipped: digits at {rate:g}",
            data="digits",
            family="own",
            net="Recurrent",
            recipe=_momentum(rate, 1.0),
            rounds=40,
        )
        for rate in (0.01, 0.03)
    ]
    return cases


def all_cases() -> list[Case]:
    """Sick ones first."""
    return [*sick(), *healthy()]


def tuning(case: Case) -> bool:
    """Whether the case belongs to the half that thresholds are set on: every second one of its kind."""
    kind = sick() if case.expected else healthy()
    return [one.name for one in kind].index(case.name) % 2 == 0
