"""Stopped inside an epoch and resumed, a training ends with the bytes it would have had."""

import json
import shutil

import pytest

from tests.engines.torch.jobs import exported, make_job
from trainwright.core.errors import ArtifactRefused
from trainwright.core.tasks import Task
from trainwright.engines.torch.session import TorchSession

OPTIMIZERS = [
    {"name": name, "lr": 0.01, "weight_decay": 0.01} for name in ("adamw", "adam", "sgd", "muon", "schedule_free_adamw")
]
SCHEDULES = ["constant", "cosine", "linear", "one_cycle", "wsd", "plateau", "coslog4"]
OTHERS = [
    {"accumulate": 2, "clip_norm": 0.1},
    {"ema": 0.9},
    {"precision": "bf16"},
    {"ema": 0.99, "accumulate": 2, "precision": "bf16", "scheduler": {"name": "cosine", "warmup": 0.1}},
    {"optimizer": {"lr": "auto"}},
    {"batch_size": "auto"},
    {"data_on": "stream", "num_workers": 2},
    {"activation_checkpointing": True},
    {"optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.0}},
]
CONFIGURATIONS = [
    *({"optimizer": o} for o in OPTIMIZERS),
    *({"scheduler": {"name": s, "warmup": 0.1, "patience": 0}} for s in SCHEDULES),
    *OTHERS,
]


def name_of(recipe):
    return json.dumps(recipe).replace('"', "")


@pytest.mark.parametrize("recipe", CONFIGURATIONS, ids=name_of)
def test_resumed_inside_an_epoch_it_ends_with_the_same_bytes(recipe, tmp_path):
    def job():
        return make_job(Task.MULTICLASS, params={"dropout": 0.2, "norm": True}, checkpoint_steps=3, **recipe)

    session = TorchSession(job())
    for number, _ in enumerate(session.units()):
        (tmp_path / f"{number}").mkdir()
        session.save(tmp_path / f"{number}")
    straight = exported(session, tmp_path / "straight")
    middle = [i for i in range(number + 1) if json.loads((tmp_path / f"{i}/state.json").read_text())["step"]]
    for i in (middle[0], middle[-1]):
        resumed = TorchSession(job())
        resumed.restore(tmp_path / str(i))
        for _ in resumed.units():
            resumed.predict_part("val")
        assert exported(resumed, tmp_path / f"resumed-{i}") == straight
        resumed.close()


def test_a_change_of_workers_and_units_may_be_resumed(tmp_path):
    session = TorchSession(make_job(checkpoint_steps=3))
    units = session.units()
    next(units)
    (tmp_path / "state").mkdir()
    session.save(tmp_path / "state")
    list(units)
    other = TorchSession(make_job(checkpoint_steps=2, data_on="stream", num_workers=2, statistics_every=0))
    other.restore(tmp_path / "state")
    list(other.units())
    assert all((a == b).all() for a, b in zip(session._network.parameters(), other._network.parameters(), strict=True))


def test_a_repair_is_part_of_the_state(tmp_path):
    from trainwright.engines.repairs import Repair

    session = TorchSession(make_job(checkpoint_steps=3))
    units = session.units()
    next(units)
    session.apply(Repair(action="learning_rate", values={"factor": 0.5}))
    session.apply(Repair(action="clip_norm", values={"norm": 0.1}))
    (tmp_path / "state").mkdir()
    session.save(tmp_path / "state")
    list(units)
    resumed = TorchSession(make_job(checkpoint_steps=3))
    resumed.restore(tmp_path / "state")
    list(resumed.units())
    assert exported(resumed, tmp_path / "a") == exported(session, tmp_path / "b")
    with pytest.raises(ValueError, match="no repair 'magic'"):
        session.apply(Repair(action="magic", values={}))


@pytest.fixture
def state(tmp_path):
    session = TorchSession(make_job(checkpoint_steps=3, ema=0.9))
    next(session.units())
    folder = tmp_path / "state"
    folder.mkdir()
    session.save(folder)
    return folder


@pytest.mark.parametrize("file", ["state.json", "weights.safetensors", "training.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_state_is_refused(state, file, damage):
    content = bytearray((state / file).read_bytes())
    (state / file).unlink()
    if damage == "flip":
        content[-20] ^= 1
    if damage != "gone":
        (state / file).write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    with pytest.raises(ArtifactRefused):
        TorchSession(make_job(checkpoint_steps=3, ema=0.9)).restore(state)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"ema": 0.8}, "recipe"),
        ({"ema": 0.9, "params": {"width": 8}}, "params"),
        ({"ema": 0.9, "threads": 2}, "threads"),
        ({"ema": 0.9, "epochs": 9}, "rounds_limit"),
    ],
    ids=str,
)
def test_a_state_of_another_training_is_refused_by_name(state, other, said):
    with pytest.raises(ArtifactRefused, match=said):
        TorchSession(make_job(checkpoint_steps=3, **other)).restore(state)


def test_a_model_of_an_own_module_is_not_run_unasked(tmp_path):
    from trainwright.engines import torch as engine

    session = TorchSession(make_job())
    exported(session, tmp_path / "model")
    document = json.loads((tmp_path / "model" / "model.json").read_text())
    from trainwright.engines.torch.files import write_document

    shutil.copytree(tmp_path / "model", tmp_path / "own")
    kept = {k: v for k, v in document.items() if k not in ("format", "engine", "files", "sha256")}
    source = {"source": "raise SystemExit", "file": "x.py", "name": "x", "arguments": {}}
    write_document(tmp_path / "own", "model.json", {**kept, "network": "own", "params": source}, ("model.safetensors",))
    with pytest.raises(ArtifactRefused, match="not run unasked"):
        engine.load(tmp_path / "own")
