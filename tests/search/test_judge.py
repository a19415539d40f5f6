# ruff: noqa: E501 - a line a case
"""Mistakes in ``hyperparameter_search`` that need the family, each with its place."""

import pytest

from trainwright.core.errors import SpecError
from trainwright.search.judge import judge_search
from trainwright.spec.load import load

HEAD = """data: {train_path: data.csv, target: y}
architecture: {model_type: lightgbm, architecture_spec: {max_bin: 63}}
hyperparameter_search:
"""


def mistakes(tmp_path, text):
    (tmp_path / "data.csv").write_text("a,y\n1,0\n")
    (tmp_path / "spec.yaml").write_text(text)
    try:
        load(tmp_path / "spec.yaml", judges=[judge_search])
    except SpecError as error:
        return error.message.replace(str(tmp_path) + "/", "").splitlines()
    return []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("  search_space:\n    num_leavez: [3, 4]\n", ["spec.yaml:5:17: hyperparameter_search.search_space.num_leavez", "num_leaves"]),
        ("  search_space:\n    learning_rate: {low: 0, high: 1}\n", ["spec.yaml:5:26: ", "learning_rate.low: must be above 0"]),
        ("  search_space:\n    bagging_fraction: {low: 0.5, high: 2}\n", ["spec.yaml:5:40: ", "high: must be at most 1"]),
        ("  search_space:\n    boosting: [gbdt, dort]\n", ["spec.yaml:5:22: ", "must be one of gbdt, dart"]),
        ("  search_space:\n    num_iterations: {low: 10, high: 90, int: true}\n", ["Trainwright sets it", "training.rounds"]),
        ("  search_space:\n    drop_rate: {low: 0.1, high: 0.5}\n", ["has no effect", "boosting: dart"]),
        (
            "  search_space:\n    drop_rate: {low: 0.1, high: 0.5, when: {boosting: [dart]}}\n",
            ["spec.yaml:5:55: ", "neither searched nor fixed"],
        ),
        (
            "  search_space:\n    boosting: [gbdt]\n    drop_rate: {low: 0.1, high: 0.5, when: {boosting: [dart]}}\n",
            ["boosting is never one of dart"],
        ),
        ("  method: grid\n", ["a grid needs a finite list", "learning_rate"]),
        (
            "  method: grid\n  search_space: {num_leaves: {low: 2, high: 900, int: true}, max_depth: {low: 1, high: 900, int: true}}\n",
            ["more than 100,000 points"],
        ),
        ("  method: random\n  sampler: gp\n", ["sampler has no effect on a random search"]),
        ("  pruner: wilcoxon\n", ["compares folds"]),
        ("  pruner: median\n  folds: 3\n", ["median compares trials on the same rows"]),
        ("  optimism_folds: 4\n", ["the bootstrap over validation rows has no folds", "optimism: nested"]),
        ("  optimism: twice\n", ["spec.yaml:4:13: hyperparameter_search.optimism", "bootstrap, repeated, nested"]),
        ("  optimism: nested\n  optimism_folds: 1\n", ["spec.yaml:5:19: ", "optimism_folds"]),
        ("  deterministic: false\n", ["one trial after the other is deterministic"]),
        ("  storage: postgresql://me:secret@host/db\n", ["a password does not belong in a spec"]),
        ("  storage: nonsense\n", ["no URL of a database"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path, body, said):
    found = mistakes(tmp_path, HEAD + body)
    assert found
    text = "\n".join(found)
    assert all(one in text for one in said), text
    assert "secret@" not in text.replace("postgresql://me:secret@host/db", "")


@pytest.mark.parametrize(
    "body",
    [
        "  budget: 5 trials\n",
        "  search_space:\n    boosting: [gbdt, dart]\n    drop_rate: {low: 0.1, high: 0.5, when: {boosting: [dart]}}\n",
        "  search_space:\n    boosting: [gbdt, dart]\n    drop_rate: {low: 0.1, high: 0.5}\n",
        "  search_space: {eta: {low: 0.01, high: 0.3, log: true}}\n",
        "  folds: 3\n  pruner: wilcoxon\n",
        "  optimism: Nested\n  optimism_folds: 3\n  folds: 3\n",
        "  parallel: 2\n  deterministic: false\n",
        "  storage: postgresql+psycopg://me@host/db\n",
    ],
)
def test_what_is_right_is_left_alone(tmp_path, body):
    assert mistakes(tmp_path, HEAD + body) == []


def test_a_family_without_a_space_needs_one_written(tmp_path):
    head = HEAD.replace("lightgbm, architecture_spec: {max_bin: 63}", "dummy")
    assert "dummy has no search space of its own" in mistakes(tmp_path, head + "  budget: 5\n")[0]


def test_what_training_fixes_cannot_be_searched(tmp_path):
    text = (
        "data: {train_path: data.csv, target: y}\narchitecture: {model_type: mlp}\n"
        "training: {optimizer: {lr: 0.1}}\n"
        "hyperparameter_search: {search_space: {learning_rate: {low: 0.01, high: 0.1, log: true}}}\n"
    )
    assert "training.optimizer.lr fixes what is searched here" in mistakes(tmp_path, text)[0]


def test_lists_are_choices_of_networks(tmp_path):
    head = HEAD.replace("lightgbm, architecture_spec: {max_bin: 63}", "mlp")
    assert mistakes(tmp_path, head + "  search_space: {hidden_sizes: [[64, 64], [128]]}\n") == []
    found = mistakes(tmp_path, head + "  search_space:\n    hidden_sizes: [[64, 64], [0]]\n")
    assert "spec.yaml:5:30" in found[0], found
