"""The network around a Transformers model: padding, what it starts from, and that nothing is asked of a hub."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch

from tests.families.checkpoints import BERT, GPT, bert, config, gpt
from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines.contract import Job, Table
from trainwright.engines.torch.building import build_network
from trainwright.engines.torch.networks.contract import Inputs
from trainwright.engines.torch.networks.hf import TransformersModel
from trainwright.engines.torch.problem import problem_of
from trainwright.engines.torch.recipe import Recipe
from trainwright.families import _hf
from trainwright.families.contract import Request

LENGTH = 12


def job(folder: Path, task: Task = Task.BINARY, *, vocabulary: int = 26, seed: int = 0, **params: object) -> Job:
    request = Request(task=task, num_classes=2, estimator=str(folder))
    rng = np.random.default_rng(0)
    X = rng.integers(2, vocabulary, (40, LENGTH)).astype(np.int32)
    X[:, 8:] = 0
    return Job(
        task=task,
        num_classes=2,
        plan=_hf.build(params, request),  # type: ignore[arg-type]  # plain values
        train=Table(X=X, y=rng.integers(0, 2, 40)),
        val=None,
        feature_names=("text",),
        categorical=(),
        category_sizes=(),
        seeds=Seeds(seed),
        threads=1,
        device="cpu",
        workdir=folder,
        vocabulary=vocabulary,
    )


def network(made: Job) -> TransformersModel:
    found = build_network(made, problem_of(made, Recipe()))
    assert isinstance(found, TransformersModel)
    return found.eval()


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_padding_and_company_change_nothing(tmp_path: Path, name: str) -> None:
    found = network(job(config(tmp_path, BERT if name == "bert" else GPT)))
    ids = torch.randint(2, 26, (5, 8), generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(ids, (0, 4))
    with torch.inference_mode():
        whole = found(padded)
        assert whole.shape == (5, 1)
        torch.testing.assert_close(found(ids), whole, rtol=0, atol=1e-5)
        torch.testing.assert_close(found(padded[:1]), whole[:1], rtol=0, atol=1e-5)
        assert torch.isfinite(found(torch.zeros(2, LENGTH, dtype=torch.long))).all(), "a row without a token"


def test_ids_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    """A token of its tokenizer lies two above its own id here, and padding is 0."""
    own = torch.randint(0, 25, (3, 8), generator=torch.Generator().manual_seed(0))
    found = network(job(bert(tmp_path / "bert")))
    ids = own + 2
    with torch.inference_mode():
        torch.testing.assert_close(found(ids), found.model(input_ids=own).logits)
        speaker = network(job(gpt(tmp_path / "gpt"), Task.LANGUAGE, vocabulary=259))
        torch.testing.assert_close(speaker(ids)[..., 2:], speaker.model(input_ids=own).logits)
        ids[:, 0] = 0
        own[:, 0] = 0  # the mark of an end, which is that of a beginning too
        torch.testing.assert_close(speaker(ids)[..., 2:], speaker.model(input_ids=own).logits)


def test_a_language_model_sees_no_later_token(tmp_path: Path) -> None:
    made = job(gpt(tmp_path), Task.LANGUAGE, vocabulary=259)
    found = network(made)
    ids = torch.randint(2, 259, (2, LENGTH - 1), generator=torch.Generator().manual_seed(0))
    other = ids.clone()
    other[:, 6:] = 5
    with torch.inference_mode():
        scores, changed = found(ids), found(other)
        torch.testing.assert_close(found(-ids), scores)
    assert scores.shape == (2, LENGTH - 1, 259)
    torch.testing.assert_close(scores[:, :6], changed[:, :6], rtol=0, atol=1e-5)
    assert scores.softmax(-1)[..., :2].max() == 0, "padding and the unused id never come"


def test_the_body_starts_from_the_file_and_the_head_anew(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = bert(tmp_path)
    stored = load_file(folder / "model.safetensors")
    first, again, other = (network(job(folder, seed=seed)) for seed in (0, 0, 1))
    mine = {n.removeprefix("model."): p for n, p in first.named_parameters()}
    body = [n for n in mine if n.startswith("bert.") and "pooler" not in n]
    assert len(body) > 30
    for name in body:
        torch.testing.assert_close(mine[name], stored[name], rtol=0, atol=0)
    head = "model.classifier.weight"
    assert torch.equal(first.state_dict()[head], again.state_dict()[head])
    assert not torch.equal(first.state_dict()[head], other.state_dict()[head])
    pooler = "model.bert.pooler.dense.weight"  # a model of masked words has none
    assert torch.equal(first.state_dict()[pooler], again.state_dict()[pooler])


def test_a_language_model_takes_its_head_too(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = gpt(tmp_path)
    found = network(job(folder, Task.LANGUAGE, vocabulary=259))
    stored = load_file(folder / "model.safetensors")
    torch.testing.assert_close(found.state_dict()["model.lm_head.weight"], stored["transformer.wte.weight"])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = bert(tmp_path / "bert")
    with pytest.raises(ArtifactRefused, match=r"have another shape .*Take back what changes the network"):
        network(job(folder, hidden_size=32))
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    shutil.copy(gpt(tmp_path / "gpt") / "model.safetensors", other)
    with pytest.raises(ArtifactRefused, match="they are another network's"):
        network(job(other))
    (other / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ArtifactRefused, match="no weights that can be read"):
        network(job(other))


def test_weights_that_changed_or_went_are_refused(tmp_path: Path) -> None:
    folder = bert(tmp_path)
    planned = job(folder)
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ArtifactRefused, match="changed since the training was planned"):
        network(planned)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ArtifactRefused, match="are required, and cannot be read"):
        network(planned)


def test_a_row_longer_than_the_model_reads(tmp_path: Path) -> None:
    folder = config(tmp_path, {**BERT, "max_position_embeddings": 5})
    made = job(folder)
    with pytest.raises(SpecError, match="rows have 12 tokens, and the model has 5 positions"):
        TransformersModel(made.plan.params, Inputs(kind="tokens", shape=(LENGTH,), vocabulary=26), 1)


def test_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    made = job(bert(tmp_path))
    with pytest.raises(SpecError, match="they belong to different models"):
        TransformersModel(made.plan.params, Inputs(kind="tokens", shape=(LENGTH,), vocabulary=30), 1)


def test_nothing_is_asked_of_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    network(job(bert(tmp_path)))
