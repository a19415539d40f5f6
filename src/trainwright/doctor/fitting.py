"""What a whole training says, once it has ended: over- and underfitting, learned by heart, ended too soon."""

from statistics import median

from trainwright.core.findings import Finding, Severity
from trainwright.doctor.causes import Cause, rate_above_one
from trainwright.doctor.history import History
from trainwright.doctor.losses import finite_points
from trainwright.doctor.wording import at, symptom

# Assumptions, measured with benchmarks/clinic.py as those of `losses`. Losses are compared in units of the loss of the
# best constant prediction, so that they mean the same for every task.
_GAP = 0.35  # validation above training, at a round that validation did not choose
_LOST = 0.5  # of what validation had gained at its best, lost again at the round that was kept
_ERRORS = 2.0  # standard errors of the validation loss: what other rows of the same kind would give in 19 of 20 cases
_BY_HEART = 0.9  # training loss below this share of the constant's ...
_NOTHING = 0.97  # ... while validation never gets below this
_UNDERFIT = 0.9  # even the training loss stays above this share of the constant's
_TOO_GOOD = 0.002
_STILL_GAINING = 0.02  # share of the whole improvement in the last tenth (twice the report's mark)
_FEW_UNITS = 5
_COOLED = 0.05  # of the highest rate
_FLAT = 0.01
_FALLING = 0.05  # of all that was gained came in the last third before the rate was gone
_SHORT_PATIENCE = 0.1  # of the limit of rounds

_TOO_LITTLE = Cause(
    "underfitting",
    "The model is too simple for the task, trained too short, or the features carry little signal",
    "Try a family that can express more (boosted trees, a network), better features, or more rounds",
)


def overfitting(history: History) -> Finding | None:
    """Most of what validation had gained is lost again at the kept round, or it is far above training there: beyond the
    noise of its rows.

    Where validation chose the round, a gap alone is no harm: boosted trees learn their rows by heart and go on gaining
    (Schapire et al. 1998, "Boosting the margin"). It is told with the scores (`trainwright.core.metrics.gaps`). A loss
    that rises after that round is no harm either: early stopping is for that.
    """
    loss = _ended(history, known=False)
    if loss is None:
        return None
    kept = loss.kept
    val, train, noise = loss.val_at(kept), loss.train_at(kept), _ERRORS * loss.val_error_at(kept)
    gap, rise = val - train, val - loss.best
    lost = rise / max(loss.constant_val - loss.best, 1e-12)
    harmed = lost > _LOST and rise > noise and train < loss.train_at(loss.best_step)
    wide = not loss.chosen and gap > max(_GAP * loss.constant, noise)
    if not wide and not (harmed and loss.best < _NOTHING * loss.constant_val):
        return None
    worse = f"; its best was {loss.best:.4g} at {at(history, loss.best_step)}" if rise > 0 else ""
    return symptom(
        history,
        "overfitting",
        f"the loss is {train:.4g} on training and {val:.4g} on validation rows at {at(history, kept)}{worse}",
        "The model learns its training rows beyond what holds for others: too complex, too few rows, or wrong labels",
        "Regularise more (weight decay, dropout, fewer leaves), stop earlier, use a smaller model, or more rows",
        {"gap": gap / loss.constant, "noise": noise / loss.constant, "lost_share_of_gain": lost},
    )


def by_heart(history: History) -> Finding | None:
    """Training rows are learned, and nothing of it holds for validation rows."""
    loss = _ended(history)
    if loss is None or loss.lowest_train > _BY_HEART * loss.constant or loss.best < _NOTHING * loss.constant_val:
        return None
    return symptom(
        history,
        "learned_by_heart",
        f"training loss falls to {loss.lowest_train:.4g} while validation never gets below {loss.best:.4g}, which a "
        f"constant reaches too ({loss.constant_val:.4g})",
        "Labels that do not belong to their rows (shuffled, wrong join), features without signal, or validation rows "
        "from another source",
        "Check how the target was joined to the rows, and that training and validation come from the same place",
        {"train": loss.lowest_train, "val": loss.best, "constant": loss.constant_val},
    )


def label_noise(history: History) -> Finding | None:
    """Validation is best early and then gets as bad as a constant or worse, while training goes on to fit every row."""
    loss = _ended(history)
    if loss is None or loss.best >= _NOTHING * loss.constant_val:
        return None
    end, value = loss.val[-1]
    worse = value - _ERRORS * loss.val_error_at(end) > loss.constant_val
    if not worse or loss.lowest_train > _BY_HEART * loss.constant or loss.best < 0.4 * loss.constant_val:
        return None
    return symptom(
        history,
        "label_noise",
        f"validation loss is best at {at(history, loss.best_step)} ({loss.best:.4g}) and ends at {value:.4g}, above a "
        f"constant's {loss.constant_val:.4g}, while training falls to {loss.lowest_train:.4g}",
        "That is how a model looks that learns wrong labels one by one (a hint, no proof)",
        "Look at the training rows with the largest loss at the best round; use label smoothing or a smaller model",
        {"best": loss.best, "end": value, "constant": loss.constant_val},
    )


def underfitting(history: History) -> Finding | None:
    """Even on its training rows the model is hardly better than a constant."""
    loss = _ended(history)
    if loss is None or not _UNDERFIT * loss.constant < loss.lowest_train < 3 * loss.constant:
        return None
    cause = rate_above_one(history) or _TOO_LITTLE
    return symptom(
        history,
        cause.code,
        f"the training loss is {loss.lowest_train:.4g} at best, a constant reaches {loss.constant:.4g}",
        cause.why,
        cause.fix,
        {"train": loss.lowest_train, "constant": loss.constant, **cause.evidence},
    )


def too_good(history: History) -> Finding | None:
    """A validation loss so near to nothing that a leak is likelier than a good model."""
    loss = _ended(history)
    if loss is None or loss.best > _TOO_GOOD * loss.constant_val or history.text("task") == "language":
        return None
    return symptom(
        history,
        "too_good",
        f"validation loss falls to {loss.best:.2g}, {loss.best / loss.constant_val:.2%} of a constant's",
        "A column may hold the target, or validation rows may be among the training rows",
        "Look at the most important column, and how it is known before the target is",
        {"val": loss.best, "constant": loss.constant_val},
    )


def rounds_too_few(history: History) -> Finding | None:
    """All rounds were used and the last tenth of them still brought a visible gain."""
    points = finite_points(history.of("val_loss"))
    if history.text("reason") != "rounds" or len(points) < _FEW_UNITS:
        return None
    values = [value for _, value in points]
    best = min(values)
    last = history.number("rounds_limit") or points[-1][0]
    if values.index(best) < len(values) - 2 or points[-1][0] < last:
        return None
    start = max(values[0], history.number("constant_loss", "val") or values[0])
    before = [value for step, value in points if step <= 0.9 * points[-1][0]] or values[:1]
    share = (min(before) - best) / max(start - best, 1e-12)
    if share < _STILL_GAINING or start <= best:
        return None
    return symptom(
        history,
        "rounds_too_few",
        f"{share:.1%} of the whole gain came in the last tenth of {points[-1][0]:g} rounds",
        "Training ended by its limit while it was still getting better: too few rounds, or too low a rate",
        "Raise training.rounds (epochs), or the learning rate",
        {"share_of_gain": share},
    )


def stopped_too_early(history: History) -> Finding | None:
    """Early stopping ended a training whose loss was still falling underneath its noise."""
    points, train = finite_points(history.of("val_loss")), finite_points(history.of("objective"))
    train = train or finite_points(history.of("train_loss"))
    patience, limit = history.number("patience"), history.number("rounds_limit")
    if history.text("reason") != "early_stopping" or not patience or not limit or len(points) < 2 or len(train) < 2:
        return None
    best = min(value for _, value in points)
    constant = history.number("constant_loss", "val") or points[0][1]
    near = points[-1][1] - best < 0.1 * max(constant - best, 1e-12) or best > 0.9 * constant
    falling = train[-1][1] < train[max(0, len(train) - 1 - int(patience))][1] * (1 - _FLAT)
    if patience > _SHORT_PATIENCE * limit or patience > 5 or not near or not falling or points[-1][0] > limit / 2:
        return None
    return symptom(
        history,
        "stopped_too_early",
        f"training stopped at {points[-1][0]:g} of {limit:g} after {patience:g} without a better validation score, "
        "while the training loss was still falling and validation had not turned",
        "A patience shorter than the noise of the validation score",
        "Raise training.early_stopping.patience",
        {"patience": patience, "stopped": points[-1][0], "limit": limit},
    )


def schedule_too_short(history: History) -> Finding | None:
    """The rate fell to nothing long before the end, while the loss was still falling."""
    rates, points = history.of("learning_rate"), finite_points(history.of("val_loss"))
    if not history.text("reason") or len(rates.values) < 2 * _FEW_UNITS or len(points) < _FEW_UNITS:
        return None
    peak = max(rates.values)
    warm = max(s for s, r in zip(rates.steps, rates.values, strict=True) if r >= _COOLED * peak)
    cold = next((s for s in rates.steps if s > warm), None)  # it stays low from here on: schedules go in waves, too
    if cold is None or cold > 0.6 * rates.steps[-1] or cold > points[-1][0]:
        return None
    start = points[0][1]
    then = min((v for s, v in points if s <= cold), default=start)
    earlier = min((v for s, v in points if s <= 0.7 * cold), default=start)
    after = min(v for _, v in points)
    if (
        earlier - then < _FALLING * (start - then)
        or then - after > 0.5 * (earlier - then) * (rates.steps[-1] - cold) / cold
    ):
        return None
    return symptom(
        history,
        "schedule_too_short",
        f"the learning rate fell below {_COOLED:.0%} of its highest value at {cold:g} of {rates.steps[-1]:g}, when the "
        "loss was still falling",
        "A schedule that ends, or a plateau rule that cuts, too soon: the rounds after it teach nothing",
        "Give the schedule the length of the training, or raise training.scheduler.patience",
        {"cold_at": cold, "rounds": rates.steps[-1]},
    )


def plateau(history: History) -> Finding | None:
    """All rounds were used, and the second half of them changed nothing."""
    points = finite_points(history.of("val_loss"))
    if history.text("reason") != "rounds" or len(points) < 2 * _FEW_UNITS:
        return None
    half = [value for step, value in points if step <= points[-1][0] / 2]
    best, start = min(v for _, v in points), max(points[0][1], history.number("constant_loss", "val") or 0.0)
    if not half or start <= best or (min(half) - best) > _FLAT / 2 * (start - best):
        return None
    return symptom(
        history,
        "plateau",
        f"the second half of {points[-1][0]:g} rounds brought {(min(half) - best) / (start - best):.2%} of the gain",
        "The model has learned what it can; more rounds cost time only",
        "Use early stopping or fewer rounds; to get further change the model or the features",
        {"share_of_gain": (min(half) - best) / (start - best)},
        severity=Severity.INFO,
    )


def no_split(history: History) -> Finding | None:
    """Trees that never split: every evaluation gives exactly the same number."""
    values = [value for _, value in finite_points(history.of("val_loss"))]
    if history.text("unit") not in ("round", "tree") or not history.text("reason") or not values:
        return None
    constant = history.number("constant_loss", "train")
    train = [value for _, value in finite_points(history.of("train_loss"))]
    same = len(set(values)) == 1 and constant is not None and bool(train)
    if not same or median(train) < 0.999 * (constant or 0.0):
        return None
    return symptom(
        history,
        "no_split",
        "no tree found a split: the prediction is the same for every row",
        "Too few rows for the smallest leaf, a split penalty that is too high, or features that hold one value",
        "Lower min_child_samples, min_child_weight, min_split_gain or lambda; look at the columns",
        {"val": values[-1]},
    )


class _Losses:
    """The loss of both parts of an ended training."""

    def __init__(self, history: History) -> None:
        self.train, self.val = finite_points(history.of("train_loss")), finite_points(history.of("val_loss"))
        self.errors = history.of("val_loss_error")
        known = [history.number("constant_loss", part) for part in ("train", "val")]
        self.known = all(known)
        self.constant = known[0] or max(value for _, value in self.train[:1])
        self.constant_val = known[1] or max(value for _, value in self.val[:1])
        self.best_step, self.best = min(self.val, key=lambda point: point[1])
        self.lowest_train = min(value for _, value in self.train)
        kept = history.number("selected")
        self.kept = self.val[-1][0] if kept is None else kept
        self.chosen = kept is not None and bool(history.number("patience"))

    def val_error_at(self, step: float) -> float:
        """The standard error of the validation loss; 0 where the log does not have it."""
        errors = finite_points(self.errors)
        return min(errors, key=lambda point: abs(point[0] - step))[1] if errors else 0.0

    def val_at(self, step: float) -> float:
        return min(self.val, key=lambda point: abs(point[0] - step))[1]

    def train_at(self, step: float) -> float:
        return min(self.train, key=lambda point: abs(point[0] - step))[1]


def _ended(history: History, *, known: bool = True) -> _Losses | None:
    """The losses of a training that has ended; where that of a constant is not ``known``, the first stands for it."""
    both = finite_points(history.of("train_loss")) and finite_points(history.of("val_loss"))
    if not both or not history.text("reason"):
        return None
    losses = _Losses(history)
    return losses if losses.known or (not known and losses.constant > 0 and losses.constant_val > 0) else None
