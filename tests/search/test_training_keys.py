"""Keys of ``training`` in a search space: weights of classes, and the recipe of a network of one's own."""

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.search.builders import told
from tests.search.whole import job_after, searched
from trainwright.core.errors import SpecError

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, outputs, width=8):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs.shape[0], width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, x):
        return self.layers(x)
"""


def rare(rows=600, share=0.1):
    """A class that is rare and seldom sure: the best guess of its rows is mostly the other one."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 3)).round(4), columns=list("abc"))
    score = frame.a + rng.normal(size=rows)
    return frame.assign(y=np.where(score > np.quantile(score, 1 - share), "yes", "no"))


def resolved(run):
    return YAML(typ="safe").load((run / "resolved.yaml").read_text())


def trials(work):
    return [t for t in told(work.folder.path) if t["repeat"] == 0]


def test_a_metric_of_rare_classes_has_their_weights_searched(tmp_path):
    search = {"budget": "4 trials", "seeds": 1}
    training = {"rounds": 40, "metric": "f1"}
    work = searched(tmp_path, search, {"train": rare()}, training=training)
    found = trials(work)
    weights = [t["params"]["class_weight"] for t in found]
    assert weights == ["sqrt", "balanced", "none", "sqrt"]
    assert found[1]["value"] > found[2]["value"] + 0.05, "the rare class is found at last"
    assert {**found[1]["params"], "class_weight": "none"} == found[2]["params"]
    assert {t["state"] for t in found} == {"complete"}, "losses under other weights end no trial"
    best = found[work.record["search"]["number"]]["params"]["class_weight"]
    run = work.folder.path
    assert best != "none"
    assert resolved(run)["training"]["class_weight"] == best
    assert f"class_weight: {best}  # trial " in (run / "resolved.yaml").read_text()
    assert "class_weight" not in resolved(run)["architecture"]["architecture_spec"]
    (finding,) = [f for f in work.findings if f.code == "search.classes_weighed"]
    assert finding.evidence["class_weight"] == best


@pytest.mark.parametrize(
    ("frame", "training"),
    [
        (rare(), {"metric": "roc_auc"}),
        (rare(), {"metric": "f1", "class_weight": "balanced"}),
        (rare(share=0.5), {"metric": "f1"}),
    ],
)
def test_weights_are_searched_only_where_they_may_matter(tmp_path, frame, training):
    work = searched(tmp_path, {"budget": "1 trials"}, {"train": frame}, training={"rounds": 10, **training})
    assert "class_weight" not in trials(work)[0]["params"]


def test_a_search_trains_with_the_weights_that_a_spec_would(tmp_path):
    """Each trial is the trial of a search that has its weights from the spec, whatever was trained before it."""
    space = {"num_leaves": [7]}
    training = {"rounds": 20, "metric": "f1"}
    grid = {"method": "grid", "seeds": 1, "search_space": {**space, "class_weight": ["balanced", "none", "sqrt"]}}
    work = searched(tmp_path / "all", grid, {"train": rare()}, training=training)
    by_weight = {t["params"]["class_weight"]: t for t in trials(work)}
    for weight, trial in by_weight.items():
        one = searched(
            tmp_path / weight,
            {"method": "grid", "seeds": 1, "search_space": space},
            {"train": rare()},
            training={**training, "class_weight": weight},
        )
        assert trials(one)[0]["curve"] == trial["curve"], weight
    assert len({str(t["curve"]) for t in by_weight.values()}) == 3


def test_an_own_network_has_its_arguments_and_its_recipe_searched(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(NET)
    search = {
        "method": "random",
        "budget": "3 trials",
        "seeds": 1,
        "search_space": {
            "width": {"low": 2, "high": 16, "int": True},
            "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
            "batch_size": [16, 64],
        },
    }
    work = searched(
        tmp_path, search, {"train": rare(200)}, model="./net.py:Net", training={"epochs": 2}, trust_code=True
    )
    found = trials(work)
    assert len({t["params"]["learning_rate"] for t in found}) > 1
    assert {t["state"] for t in found} <= {"complete", "pruned"}, [t["reason"] for t in found]
    best = found[work.record["search"]["number"]]["params"]
    training = resolved(work.folder.path)["training"]
    assert training["optimizer"]["lr"] == best["learning_rate"]
    assert training["batch_size"] == best["batch_size"]
    assert resolved(work.folder.path)["architecture"]["architecture_spec"] == {"width": best["width"]}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"depth": [1, 2]}, "Net takes no argument 'depth'"),
        ({"optimizer.lr": [0.1, 0.2]}, "search_space.optimizer.lr"),
    ],
)
def test_a_name_that_an_own_network_does_not_know_is_told_before_any_data_is_read(tmp_path, space, said):
    (tmp_path / "net.py").write_text(NET)
    with pytest.raises(SpecError, match=said):
        searched(tmp_path, {"search_space": space}, {"train": rare(100)}, model="./net.py:Net", trust_code=True)


def test_a_rate_that_training_fixes_is_not_searched_beside_it(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    search = {"search_space": {"learning_rate": [0.1, 0.2]}}
    with pytest.raises(SpecError, match=r"training.optimizer.lr fixes what is searched here"):
        searched(
            tmp_path,
            search,
            {"train": rare(100)},
            model="./net.py:Net",
            training={"optimizer": {"lr": 0.1}},
            trust_code=True,
        )


def test_the_final_fit_has_the_weights_of_the_winner(tmp_path):
    search = {"method": "grid", "seeds": 1, "search_space": {"class_weight": ["balanced"]}}
    work = searched(tmp_path, search, {"train": rare(300)}, training={"rounds": 5, "metric": "f1"})
    job = job_after(work.folder.path)
    assert job.train.weight is not None
    assert [job.train.weight[job.train.y == y].sum() for y in (0, 1)] == pytest.approx([job.train.rows / 2] * 2)
