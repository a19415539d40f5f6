"""What a training says of itself: time, processor, memory, waiting; and a state that is taken while it goes on."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.engines.torch.jobs import make_job, table
from trainwright.core.clock import SystemClock
from trainwright.core.errors import SpecError
from trainwright.core.metrics import find
from trainwright.core.tasks import Task
from trainwright.engines import torch as engine
from trainwright.engines.contract import ChoosesDevice, Snapshots, Table
from trainwright.engines.torch import usage
from trainwright.engines.torch.session import TorchSession
from trainwright.fit.driver import fit
from trainwright.fit.recorder import Recorder
from trainwright.fit.rules import Rules
from trainwright.fit.stop import StopRequest


class Slow(np.ndarray):
    """Rows that come from far away."""

    def __getitem__(self, rows):
        time.sleep(0.05)
        return np.asarray(self)[rows]


def fitted(job, tmp_path):
    rmse = find("rmse", Task.REGRESSION)
    session = TorchSession(job)
    try:
        return fit(
            session, job, Rules(watch=rmse, primary=rmse, patience=0), stage="fit",
            recorder=Recorder(clock=SystemClock(), started_s=0.0), stop=StopRequest(),
            checkpoints=tmp_path / "checkpoints", resumable=False,
        )  # fmt: skip
    finally:
        session.close()


@pytest.mark.parametrize("slow", [True, False])
def test_a_slow_source_starves_a_training_and_is_told(tmp_path, slow):
    data = table()
    # a quick source trains as long, so that there is as much to judge
    job = make_job(epochs=4 if slow else 300, data_on="stream", val=False, statistics_every=0)
    job = replace(job, train=Table(X=data.X.view(Slow) if slow else data.X, y=data.y))
    codes = {f.code for f in fitted(job, tmp_path).findings}
    assert ("doctor.starved" in codes) is slow
    assert "torch.data_on" in codes


def test_a_unit_says_what_it_took():
    units = list(TorchSession(make_job(epochs=2, checkpoint_steps=3)).units())
    for unit in units:
        assert unit.values["step_seconds"] > 0
        assert unit.values["cpu_percent"] > 0
        assert unit.values["rss_bytes"] > 1e7
    assert ["epoch_seconds" in u.values for u in units] == [u.whole for u in units]
    first = [u for u in units if u.rounds == 0 or (u.rounds == 1 and u.whole)]
    steps = (3, 3, 1)
    took = sum(n * u.values["step_seconds"] for n, u in zip(steps, first, strict=True))
    assert first[-1].values["epoch_seconds"] == pytest.approx(took)


def test_an_epoch_that_another_process_began_has_no_time(tmp_path):
    session = TorchSession(make_job(epochs=2, checkpoint_steps=3))
    next(session.units())
    session.save(tmp_path)
    again = TorchSession(make_job(epochs=2, checkpoint_steps=3))
    again.restore(tmp_path)
    whole = [u for u in again.units() if u.whole]
    assert ["epoch_seconds" in u.values for u in whole] == [False, True]


def test_where_the_use_of_a_gpu_is_not_measured_it_is_said(monkeypatch):
    monkeypatch.setattr(usage.importlib.util, "find_spec", lambda name: None)
    (said,) = usage.Usage(torch.device("cuda")).findings()
    assert "nvidia-ml-py" in said.fix
    assert usage.Usage(torch.device("cpu")).findings() == []


def test_the_use_of_a_gpu_is_read_where_it_can_be(monkeypatch):
    monkeypatch.setattr(usage.importlib.util, "find_spec", lambda name: name == "pynvml")
    for name, value in {"memory_allocated": 5, "max_memory_allocated": 7, "utilization": 63}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    values = usage.Usage(torch.device("cuda")).read()
    assert (values["gpu_bytes"], values["gpu_peak_bytes"], values["device_use_percent"]) == (5, 7, 63)


@pytest.mark.parametrize("recipe", [{}, {"ema": 0.9}, {"optimizer": {"name": "muon", "lr": 0.01}}], ids=str)
def test_a_state_taken_while_training_goes_on_is_that_of_the_moment(tmp_path, recipe):
    session = TorchSession(make_job(**recipe))
    assert isinstance(session, Snapshots)
    units = session.units()
    next(units)
    for name in ("now", "later"):
        (tmp_path / name).mkdir()
    session.save(tmp_path / "now")
    write = session.snapshot()
    next(units)
    write(tmp_path / "later")
    now, later = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("now", "later"))
    assert now == later
    sizes = sum(len(b) for name, b in now.items() if name.endswith(".safetensors"))
    assert 0.4 * sizes < session.state_bytes() < 2 * sizes


def test_auto_says_which_device_it_took():
    assert isinstance(engine, ChoosesDevice)
    device, finding = engine.choose_device("auto")
    assert device == ("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    assert f"auto took {device}" in finding.what
    assert engine.choose_device("cpu") == ("cpu", None)


def test_auto_takes_the_gpu_that_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA Something")
    device, finding = engine.choose_device("auto")
    assert device == "cuda"
    assert "NVIDIA Something" in finding.what
    assert engine.choose_device("cuda:0") == ("cuda:0", None)
    with pytest.raises(SpecError, match="cuda:1 is not there: torch sees 1 CUDA device"):
        engine.choose_device("cuda:1")
