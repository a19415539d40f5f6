"""SIGKILL at random moments: whatever was lost is trained again, and the end is that of an undisturbed run."""

import os
import random
from pathlib import Path

import pytest

from tests.pipeline.builders import Json, Project, spec, table
from tests.pipeline.kills import assert_ends_as_undisturbed

KILLS = int(os.environ.get("TRAINWRIGHT_KILLS", "1"))  # for each of five families: 4 make twenty
ROUNDS = {"lightgbm": 150, "xgboost": 600, "catboost": 1000, "hist_gradient_boosting": 150, "sklearn_mlp": 100}
ROWS = {"sklearn_mlp": 1000}  # the others: 4000


def wanted(family: str) -> Json:
    """Slow enough for kills to land in it, with a checkpoint after nearly every round."""
    training = {"rounds": ROUNDS[family], "early_stopping": None, "checkpoint_every": "20ms"}
    params = {"subsample": 0.7} if family == "xgboost" else {}
    return spec(family, params=params, training=training, baselines=["dummy", "linear"])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", list(ROUNDS))
def test_a_run_killed_at_random_moments_ends_with_the_same_digests(family: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(wanted(family), table(rows=ROWS.get(family, 4000)))
    straight = project.train("--out", "straight")
    # CatBoost adds up predictions block by block, and after a resume in one go: the last bit may differ.
    tolerance = 1e-12 if family == "catboost" else 0.0
    assert_ends_as_undisturbed(project, straight, random.Random(f"kills of {family}"), KILLS, tolerance=tolerance)
