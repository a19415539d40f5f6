"""Two gloo processes on one job: the same training as one process, but for rounding."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from tests.engines.torch.teams import TOLERANCE, Training, alone, distance, job, spread
from trainwright.engines.torch.distributed.leading import open_shared
from trainwright.engines.torch.distributed.team import Team, share

CASES = {
    "plain": partial(job),
    "accumulated": partial(job, accumulate=3),
    "weighted": partial(job, weights=True),
    "weighted and accumulated, clipped, averaged": partial(job, weights=True, accumulate=2, clip_norm=0.5, ema=0.99),
    "a last batch of three rows": partial(job, rows=32 * 6 + 3),
    "streamed": partial(job, data_on="stream"),
    "range test": partial(job, optimizer={"name": "adamw", "lr": "auto"}),
    "plateau": partial(job, scheduler={"name": "plateau", "patience": 1}),
}


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """One start of the processes for all cases."""
    spread([Training(make=make, folder=tmp_path / "two" / name) for name, make in CASES.items()])
    for name, make in CASES.items():
        alone(Training(make=make, folder=tmp_path / "one" / name))
        one, two = (np.load(tmp_path / number / name / "end.npz") for number in ("one", "two"))
        assert one["losses"][-1] < one["losses"][0]
        np.testing.assert_allclose(two["losses"], one["losses"], rtol=TOLERANCE, err_msg=name)
        assert distance(tmp_path / "one" / name / "end", tmp_path / "two" / name / "end") < TOLERANCE


@pytest.mark.slow
def test_three_processes_with_a_batch_for_two(tmp_path: Path) -> None:
    make = partial(job, rows=32 * 6 + 5)
    alone(Training(make=make, folder=tmp_path / "one"))
    spread([Training(make=make, folder=tmp_path / "three")], size=3)
    assert distance(tmp_path / "one/end", tmp_path / "three/end") < TOLERANCE


@pytest.mark.slow
def test_a_resume_by_as_many_processes_is_exact_and_by_others_close(tmp_path: Path) -> None:
    make = partial(job, epochs=4)
    saved = tmp_path / "again" / "saved"
    spread(
        [
            Training(make=make, folder=tmp_path / "whole"),
            Training(make=make, folder=tmp_path / "again", stop=2),
            Training(make=make, folder=tmp_path / "again", resume=saved),
        ]
    )
    assert distance(tmp_path / "whole/end", tmp_path / "again/end") == 0.0
    alone(Training(make=make, folder=tmp_path / "alone", resume=saved))
    assert distance(tmp_path / "whole/end", tmp_path / "alone/end") < TOLERANCE


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 9, 10, 11, 64])
def test_every_row_counts_once_and_no_rank_is_left_with_one(rows: int, size: int) -> None:
    shares = [share(rows, rank, size) for rank in range(size)]
    counted = [row for picked, counts in shares if counts for row in range(rows)[picked]]
    assert sorted(counted) == list(range(rows))
    assert all(len(range(rows)[picked]) >= min(2, rows) for picked, _ in shares)


def test_a_team_of_one_sends_nothing(tmp_path: Path) -> None:
    team = Team()
    network = torch.nn.Linear(2, 1)
    assert team.strategy.wrapped(network, steady=True) is network
    assert team.total(torch.tensor(2.0)) == 2.0
    assert team.leaders(lambda: 3.0) == 3.0
    assert team.least(4) == 4


def test_a_job_keeps_its_identity_whatever_the_team(tmp_path: Path) -> None:
    """A checkpoint of one number of processes can be taken up by another."""
    first, second = open_shared(job(tmp_path), Team()), open_shared(replace(job(tmp_path)), Team())
    saved = tmp_path / "saved"
    saved.mkdir()
    first.save(saved)
    second.restore(saved)
