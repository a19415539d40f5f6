"""Sanity of the model before money is spent: it fits, predicts the right shape, beats a guess, and can memorise."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainwright.checks.contract import CheckResult, not_checked, plain_result
from trainwright.checks.trial import session, small_job, spread_rows, subset, train
from trainwright.core.amounts import amount
from trainwright.core.clock import Clock
from trainwright.core.errors import TrainwrightError
from trainwright.core.findings import Finding, Severity
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, Table

if TYPE_CHECKING:
    import numpy as np

FITS, SHAPE, PROBABILITIES, BEATS, MEMORISES = (
    "fits_sample",
    "prediction_shape",
    "probabilities",
    "beats_dummy",
    "memorises",
)
ROWS, ROUNDS = 1_000, 60  # assumption: enough for a model that can learn to beat a guess, in a second or two
JUDGED = 2_000  # rows a small model is judged on
SECONDS = 20.0  # budget of each small training (assumption)
_LOSS_NAMES = {Task.REGRESSION: "squared error", Task.LANGUAGE: "nats a character"}
TRIED_SECONDS, TRIED_JUDGED = 3.0, 500  # of the only one where experiments came before (assumption)
TEXT_JUDGED = 100  # of a language model, whose rows cost a thousand times a table's (assumption)
SUM = 1e-6  # probabilities may sum to one within this (float32 engines reach 2e-7 a class)

# Memorising: a few rows, each many times, as a leaf asks for 20 rows and more (LightGBM's min_data_in_leaf).
MEMORY_ROWS, COPIES, MEMORY_ROUNDS = 8, 64, 200
LEARNT, NOTHING = 0.9, 0.05  # share of the guess's loss that must be gone; below the second nothing was learnt
# Families and estimators that cannot memorise by nature: lines, one Gaussian a class, constants, penalties by design.
_CANNOT = (
    "dummy",
    "linear",
    "logistic",
    "ridge",
    "lasso",
    "elastic",
    "bayes",
    "svm",
    "svc",
    "svr",
    "discriminant",
    "gblinear",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SmallFit:
    """Predictions of a small model: for the rows it was trained on, and for rows it never saw."""

    known: Table
    known_predicted: "np.ndarray"
    new: Table | None
    new_predicted: "np.ndarray | None"
    rounds: int
    seconds: float
    cut_short: bool


def check_model(job: Job, clock: Clock, *, tried: bool = False) -> list[CheckResult]:
    """All model checks, from two small trainings.

    Of a model that was ``tried`` before (`trainwright.checks.experiments`) it is known that it can memorise: only the
    first training is made, and a short one.
    """
    names = (SHAPE, PROBABILITIES, BEATS) if tried else (SHAPE, PROBABILITIES, BEATS, MEMORISES)
    try:
        fit = _fit_small(job, clock, tried=tried)
    except TrainwrightError as error:
        return _did_not_fit(job, error.message, names)
    except Exception as error:  # noqa: BLE001 - a framework may raise anything; its message is the finding
        return _did_not_fit(job, f"{type(error).__name__}: {error}", names)
    saw = f"Trained {fit.rounds} {job.plan.unit}s on {fit.known.rows:,} rows in {fit.seconds:.1f} s"
    saw += f" (cut short after {fit.seconds:.0f} s)." if fit.cut_short else "."
    shape = _check_shape(job, fit)
    results = [plain_result(FITS, "model", saw), shape]
    if shape.errors:
        why = "The predictions have the wrong shape."
        return [*results, *(not_checked(name, "model", why) for name in names[1:])]
    results += [_check_probabilities(job, fit), _check_beats(job, fit)]
    return results if tried else [*results, _check_memory(job, clock)]


def loss(y: "np.ndarray", predicted: "np.ndarray", task: Task) -> float:
    """Mean log loss of probabilities, mean squared error of values, or nats a character.

    Not finite where the predictions are not.
    """
    import numpy as np

    if task is Task.LANGUAGE:
        return float(predicted.sum() / y.sum())
    if task is Task.REGRESSION:
        return float(((y - predicted) ** 2).mean())
    return float(-np.log(np.clip(predicted[np.arange(len(y)), y], 1e-15, 1.0)).mean())


def _fit_small(job: Job, clock: Clock, *, tried: bool) -> _SmallFit:
    import numpy as np

    rows = spread_rows(job, ROWS)
    small = small_job(job, rows, rounds=ROUNDS)
    text = job.task is Task.LANGUAGE
    judged = TEXT_JUDGED if text else TRIED_JUDGED if tried else JUDGED
    new = None if job.val is None else subset(job.val, np.arange(min(judged, job.val.rows)))
    with session(small) as opened:
        trained = train(opened, clock, TRIED_SECONDS if tried else SECONDS)
        return _SmallFit(
            known=small.train,
            known_predicted=opened.predict(small.train.X),
            new=new,
            new_predicted=None if new is None else opened.predict(new.X),
            rounds=trained.rounds,
            seconds=trained.seconds,
            cut_short=trained.cut_short,
        )


def _did_not_fit(job: Job, message: str, names: tuple[str, ...]) -> list[CheckResult]:
    what = f"{job.plan.family} ({job.plan.engine}) cannot be fitted to {min(ROWS, job.train.rows):,} rows: {message}"
    finding = _finding(
        "model.does_not_fit", Severity.ERROR, job, what, "Correct architecture.architecture_spec or the data"
    )
    failed = plain_result(FITS, "model", f"Tried to train on a sample of {job.train.rows:,} rows.", [finding])
    return [failed, *(not_checked(name, "model", "The model did not fit a sample.") for name in names)]


def _check_shape(job: Job, fit: _SmallFit) -> CheckResult:
    rows = fit.known.rows
    wanted = (rows, job.num_classes) if job.task.is_classification else (rows,)
    got = tuple(fit.known_predicted.shape)
    saw = f"Predicted {rows:,} rows: shape {got}, {fit.known_predicted.dtype}."
    if got == wanted and fit.known_predicted.dtype == "float64":
        return plain_result(SHAPE, "model", saw)
    what = f"predictions must be float64 of shape {wanted}, got {fit.known_predicted.dtype} of shape {got}"
    finding = _finding("model.wrong_shape", Severity.ERROR, job, what, "The engine breaks its contract: report it")
    return plain_result(SHAPE, "model", saw, [finding])


def _check_probabilities(job: Job, fit: _SmallFit) -> CheckResult:
    import numpy as np

    parts = [p for p in (fit.known_predicted, fit.new_predicted) if p is not None]
    predicted = np.concatenate(parts)
    bad = int((~np.isfinite(predicted)).sum())
    saw = f"{len(predicted):,} predictions, {bad} numbers not finite"
    problems = [f"{bad:,} predicted numbers are not finite"] if bad else []
    if job.task.is_classification and not bad:
        off = float(np.abs(predicted.sum(axis=1) - 1.0).max())
        saw += f", rows sum to one within {off:.1e}, from {predicted.min():.3g} to {predicted.max():.3g}"
        if off > SUM or predicted.min() < 0.0:
            problems.append(f"probabilities must be at least 0 and sum to one; they are off by up to {off:.3g}")
    fix = "Look for extreme values in the features, or a learning rate that is too high"
    findings = [_finding("model.bad_predictions", Severity.ERROR, job, p, fix) for p in problems]
    return plain_result(PROBABILITIES, "model", saw + ".", findings)


def _check_beats(job: Job, fit: _SmallFit) -> CheckResult:
    import numpy as np

    if fit.new is None or fit.new_predicted is None or not np.all(np.isfinite(fit.new_predicted)):
        return not_checked(BEATS, "model", "There are no validation rows with finite predictions to judge on.")
    guess = loss(fit.new.y, _guess(fit.known, fit.new, job), job.task)
    reached = loss(fit.new.y, fit.new_predicted, job.task)
    name = _LOSS_NAMES.get(job.task, "log loss")
    saw = f"On {fit.new.rows:,} validation rows: {name} {amount(reached)}, {amount(guess)} for a constant guess."
    if reached < guess or job.plan.family == "dummy" or _names_better(job, fit.new, fit.new_predicted):
        return plain_result(BEATS, "model", saw)
    if fit.cut_short:
        return not_checked(BEATS, "model", f"The small training did not end within its time. {saw}")
    what = f"is no better than a constant guess after {fit.known.rows:,} rows ({name} {amount(reached)}, "
    what += f"guess {amount(guess)})"
    fix = "The features may say nothing about the target; expect little, or look for a mistake in the data"
    return plain_result(BEATS, "model", saw, [_finding("model.no_better_than_dummy", Severity.WARNING, job, what, fix)])


def _names_better(job: Job, new: Table, predicted: "np.ndarray") -> bool:
    """Whether it names the class more often than the commonest class is right, by two standard errors.

    A tree with probabilities of 0 and 1 loses on log loss and knows the classes all the same.
    """
    import numpy as np

    if not job.task.is_classification:
        return False
    right = float((predicted.argmax(axis=1) == new.y).mean())
    commonest = float(np.bincount(new.y).max() / new.rows)
    return right > commonest + 2.0 * float(np.sqrt(commonest * (1.0 - commonest) / new.rows))


def _guess(known: Table, new: Table, job: Job) -> "np.ndarray":
    """What a constant predicts for new rows, from known ones; of a text, how often each token occurs."""
    import numpy as np

    rows = new.rows
    if job.task is Task.LANGUAGE:
        shares = np.bincount(known.X[:, 1:].clip(0).ravel(), minlength=job.vocabulary) + 1.0
        shares[0] = 0.0
        nats = np.append(-np.log(shares[1:] / shares.sum()), 0.0)  # the last entry is for padding and context
        guessed: np.ndarray = nats[np.where(new.X[:, 1:] > 0, new.X[:, 1:] - 1, -1)].sum(axis=1)
        return guessed
    if job.task is Task.REGRESSION:
        return np.full(rows, float(known.y.mean()))
    shares = (np.bincount(known.y, minlength=job.num_classes) + 1.0) / (known.rows + job.num_classes)
    return np.tile(shares, (rows, 1))


def _check_memory(job: Job, clock: Clock) -> CheckResult:
    import numpy as np

    names = f"{job.plan.family} {job.plan.estimator}".lower()
    if any(word in names for word in _CANNOT):
        return not_checked(MEMORISES, "model", f"A {job.plan.family} model cannot memorise rows by nature.")
    few = _different_rows(job)
    if job.task is Task.LANGUAGE:
        return not_checked(MEMORISES, "model", "A text model takes minutes to memorise even a few stretches.")
    if few is None:
        return not_checked(MEMORISES, "model", f"No {MEMORY_ROWS} training rows differ in features and target.")
    small = small_job(job, np.repeat(few, COPIES), rounds=MEMORY_ROUNDS)
    small = replace(small, train=replace(small.train, weight=None))
    try:
        with session(small) as opened:
            trained = train(opened, clock, SECONDS)
            predicted = opened.predict(small.train.X)
    except Exception as error:  # noqa: BLE001 - a framework may raise anything; its message is the finding
        what = f"stops when it is trained on {MEMORY_ROWS} rows for {small.plan.rounds} {job.plan.unit}s: {error}"
        fix = "A sample could be fitted, so training may succeed; if it stops in the same way, report it"
        finding = _finding("model.stops", Severity.WARNING, job, what, fix)
        return plain_result(MEMORISES, "model", f"Tried to train on {MEMORY_ROWS} rows.", [finding])
    if trained.cut_short:
        return not_checked(MEMORISES, "model", f"{MEMORY_ROWS} rows took more than {SECONDS:g} s to train on.")
    guess = loss(small.train.y, _guess(small.train, small.train, job), job.task)
    gone = 1.0 - loss(small.train.y, predicted, job.task) / guess if np.all(np.isfinite(predicted)) else 0.0
    saw = f"{len(few)} rows, {COPIES} copies each, {trained.rounds} {job.plan.unit}s: {gone:.0%} of the loss is gone."
    if gone >= LEARNT:
        return plain_result(MEMORISES, "model", saw)
    severity = Severity.WARNING if gone >= NOTHING else Severity.ERROR
    what = (
        f"cannot memorise {len(few)} rows: only {gone:.0%} of a constant guess's loss is gone, {LEARNT:.0%} is expected"
    )
    fix = "The model is very strongly restrained (regularisation, depth, learning rate), or does not learn at all"
    return plain_result(MEMORISES, "model", saw, [_finding("model.cannot_memorise", severity, job, what, fix)])


def _different_rows(job: Job) -> "np.ndarray | None":
    """A few training rows that differ in features and have different targets; None if there are none."""
    import numpy as np

    candidates = spread_rows(job, 500)
    X = job.train.X[candidates]
    dense = np.nan_to_num(X.toarray() if hasattr(X, "toarray") else np.asarray(X), nan=-1e30)
    _, first = np.unique(dense, axis=0, return_index=True)
    candidates = candidates[np.sort(first)]
    y = job.train.y[candidates]
    # Taken in turn from the classes (or from the range of values), so that a guess is as bad as can be.
    kinds = np.argsort(np.argsort(y, kind="stable"), kind="stable") * 4 // max(len(y), 1) if job.num_classes == 0 else y
    order = np.argsort(_turn(kinds), kind="stable")[:MEMORY_ROWS]
    chosen = candidates[order]
    varied = len(np.unique(job.train.y[chosen])) >= 2
    return np.sort(chosen) if len(chosen) == MEMORY_ROWS and varied else None


def _turn(kinds: "np.ndarray") -> "np.ndarray":
    """For each row, how many rows of its kind come before it."""
    import numpy as np

    turn = np.zeros(len(kinds), dtype=np.int64)
    for kind in np.unique(kinds):
        here = kinds == kind
        turn[here] = np.arange(int(here.sum()))
    return turn


def _finding(code: str, severity: Severity, job: Job, what: str, fix: str) -> Finding:
    return Finding(code=code, severity=severity, where=f"model {job.plan.family}", what=what, fix=fix)
