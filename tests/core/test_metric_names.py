"""Metric names: ours, aliases, every scikit-learn scorer."""

import numpy as np
import pytest
from sklearn.metrics import get_scorer, get_scorer_names

from tests.core.rows import some_rows
from trainwright.core.errors import SpecError
from trainwright.core.metrics import compute, default_metric, find, metrics_for
from trainwright.core.metrics.names import _ALIASES
from trainwright.core.tasks import Task


class _Stored:
    """What a scorer needs of an estimator, with predictions that were made before."""

    def __init__(self, prediction, task):
        self._prediction = prediction
        self._task = task
        self.classes_ = np.arange(prediction.shape[1]) if prediction.ndim == 2 else None
        self._estimator_type = "classifier" if task.is_classification else "regressor"

    def __sklearn_tags__(self):
        from sklearn.utils import Tags, TargetTags

        return Tags(estimator_type=self._estimator_type, target_tags=TargetTags(required=True))

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self._prediction.argmax(axis=1) if self._task.is_classification else self._prediction

    def predict_proba(self, X):
        return self._prediction


# Which scorers fit which target: those that compare clusterings or need several labels a row fit none.
_FIT_NONE = {n for n in get_scorer_names() if n.endswith("_samples")} | {
    "adjusted_mutual_info_score", "adjusted_rand_score", "completeness_score", "fowlkes_mallows_score",
    "homogeneity_score", "mutual_info_score", "normalized_mutual_info_score", "rand_score", "v_measure_score",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(get_scorer_names()) - _FIT_NONE))
def test_a_scorer_name_gives_the_scorers_value_and_direction(name):
    fitting = 0
    for task in Task:
        try:
            metric = find(name, task)
        except SpecError:
            continue
        fitting += 1
        y, prediction, weight = some_rows(task, 60)
        scorer = get_scorer("roc_auc_ovr" if name == "roc_auc" else name)
        for weights in (None, weight):
            options = {} if weights is None or not metric.weighted else {"sample_weight": weights}
            scored = scorer(_Stored(prediction, task), prediction, y, **options)
            sign = 1 if metric.higher_is_better else -1
            assert compute(metric, y, prediction, weight=weights) == pytest.approx(sign * scored, abs=1e-12)
    assert fitting


@pytest.mark.parametrize("name", sorted(_FIT_NONE))
@pytest.mark.parametrize("task", Task)
def test_scorers_for_other_problems_are_refused(name, task):
    with pytest.raises(SpecError, match=f"'{name}' does not fit a {task} target"):
        find(name, task)


@pytest.mark.parametrize("task", Task)
def test_every_name_a_metric_carries_finds_it_again(task):
    reachable = [*metrics_for(task), *(find(n, task) for n in get_scorer_names() if _fits(n, task))]
    assert all(find(m.name, task) == m for m in reachable)


def _fits(name, task):
    try:
        return find(name, task) is not None
    except SpecError:
        return False


@pytest.mark.parametrize("alias", sorted(_ALIASES))
def test_every_alias_leads_to_a_metric(alias):
    assert any(_fits(alias, task) for task in Task)


@pytest.mark.parametrize(
    ("written", "task", "name", "direction"),
    [
        ("AUC", Task.BINARY, "roc_auc", "maximize"),
        ("ROC-AUC", Task.MULTICLASS, "roc_auc", "maximize"),
        ("F1-Score", Task.BINARY, "f1", "maximize"),
        ("Log Loss", Task.MULTICLASS, "log_loss", "minimize"),
        ("neg_log_loss", Task.BINARY, "log_loss", "minimize"),
        ("neg_root_mean_squared_error", Task.REGRESSION, "rmse", "minimize"),
        ("RMSE", Task.REGRESSION, "rmse", "minimize"),
        ("mse", Task.REGRESSION, "mean_squared_error", "minimize"),
        ("neg_mean_squared_error", Task.REGRESSION, "mean_squared_error", "minimize"),
        ("R²", Task.REGRESSION, "r2", "maximize"),
        ("ap", Task.BINARY, "pr_auc", "maximize"),
        ("ECE", Task.BINARY, "calibration_error", "minimize"),
        (" Matthews_Corrcoef ", Task.BINARY, "mcc", "maximize"),
    ],
)
def test_aliases_in_any_case(written, task, name, direction):
    metric = find(written, task)
    assert (metric.name, metric.direction) == (name, direction)


@pytest.mark.parametrize(
    ("written", "task", "words"),
    [
        ("acuracy", Task.BINARY, ["unknown metric 'acuracy'", "'accuracy'"]),
        ("f1", Task.MULTICLASS, ["'f1' does not fit a multiclass target", "'f1_macro' or 'f1_weighted'"]),
        ("auc", Task.REGRESSION, ["'auc' does not fit a regression target", "rmse"]),
        ("neg_mean_poison_deviance", Task.REGRESSION, ["unknown metric", "'neg_mean_poisson_deviance'"]),
        ("", Task.BINARY, ["unknown metric ''", "roc_auc"]),
    ],
)
def test_a_refused_name_is_answered_with_the_nearest(written, task, words):
    with pytest.raises(SpecError) as caught:
        find(written, task)
    assert all(word in str(caught.value) for word in words)


def test_defaults_come_first():
    assert [default_metric(t).name for t in Task] == ["roc_auc", "log_loss", "rmse", "bits_per_character"]
    assert all(metrics_for(t)[0] == default_metric(t) for t in Task)
    assert "f1" not in {m.name for m in metrics_for(Task.MULTICLASS)}


def test_only_metrics_that_move_with_every_prediction_are_smooth():
    smooth = {m.name for task in Task for m in metrics_for(task) if m.smooth}
    assert smooth == {
        "roc_auc", "pr_auc", "log_loss", "brier", "rmse", "mae", "r2", "mape", "rmsle",
        "bits_per_character", "nats_per_character", "perplexity",
    }  # fmt: skip
    assert not find("jaccard", Task.BINARY).smooth
    assert find("d2_log_loss_score", Task.BINARY).smooth


def test_metrics_that_ignore_row_weights_say_so():
    ignoring = {n for task in Task for n in get_scorer_names() if _fits(n, task) and not find(n, task).weighted}
    assert ignoring == {
        "neg_max_error", "neg_negative_likelihood_ratio", "positive_likelihood_ratio", "roc_auc_ovo",
        "roc_auc_ovo_weighted"
    }  # fmt: skip
    y, prediction, weight = some_rows(Task.MULTICLASS, 60)
    metric = find("roc_auc_ovo", Task.MULTICLASS)
    assert compute(metric, y, prediction, weight=weight) == compute(metric, y, prediction)


def test_a_scorer_that_says_nothing_about_the_target_is_refused():
    assert find("top_k_accuracy", Task.MULTICLASS).name == "top_k_accuracy"
    with pytest.raises(SpecError, match="does not fit a binary target"):
        find("top_k_accuracy", Task.BINARY)


@pytest.mark.parametrize("name", ["d2_log_loss_score", "top_k_accuracy"])
def test_a_scorer_works_where_a_class_is_missing_from_the_targets(name):
    y, prediction, _ = some_rows(Task.MULTICLASS, 80)
    keep = y != 3
    assert np.isfinite(compute(find(name, Task.MULTICLASS), y[keep], prediction[keep]))
