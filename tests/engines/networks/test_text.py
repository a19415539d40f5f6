"""Networks of token ids: padding, order and causality, and that they learn."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402 - after the check that torch is there

from trainwright.core.jsonable import JsonValue  # noqa: E402
from trainwright.core.tasks import Task  # noqa: E402
from trainwright.engines.torch.networks import gpt, gru, lstm, text_transformer  # noqa: E402
from trainwright.engines.torch.networks.contract import Inputs  # noqa: E402

LENGTH, VOCABULARY, OUTPUTS = 10, 30, 3
BLOCKS: dict[str, JsonValue] = {
    "width": 16, "layers": 2, "heads": 2, "hidden_factor": 2.0, "activation": "swiglu", "dropout": 0.1,
}  # fmt: skip
READERS: dict[str, tuple[object, dict[str, JsonValue]]] = {
    "text_transformer": (text_transformer, {**BLOCKS, "pooling": "mean"}),
    "text_transformer, attention": (text_transformer, {**BLOCKS, "activation": "relu2", "pooling": "attention"}),
    "lstm": (lstm, {"embedding": 8, "width": 8, "layers": 2, "dropout": 0.1, "pooling": "attention"}),
    "gru": (gru, {"embedding": 8, "width": 8, "layers": 1, "dropout": 0.0, "pooling": "mean"}),
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def reader(name: str, *, length: int = LENGTH):
    module, params = READERS[name]
    inputs = Inputs(kind="tokens", shape=(length,), vocabulary=VOCABULARY)
    return stirred(module.build(params, inputs, OUTPUTS))  # type: ignore[attr-defined]


def stirred(network):
    """Weights away from their first values: zeros at the start would hide every mistake."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.eval()


def speaker(**over: JsonValue):
    params: dict[str, JsonValue] = {**BLOCKS, "ngrams": 2, "buckets": 64, **over}
    inputs = Inputs(kind="language", shape=(LENGTH + 1,), vocabulary=VOCABULARY)
    return gpt.build(params, inputs, VOCABULARY)


@pytest.mark.parametrize("name", READERS)
def test_padding_changes_nothing(name: str) -> None:
    ids = torch.randint(2, VOCABULARY, (4, LENGTH))
    longer = torch.cat([ids, torch.zeros(4, 6, dtype=torch.int64)], dim=1)
    torch.manual_seed(1)
    short = reader(name)
    torch.manual_seed(1)
    long = reader(name, length=LENGTH + 6)
    torch.testing.assert_close(short(ids), long(longer), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", READERS)
def test_a_row_without_a_token_gives_finite_scores_and_gradients(name: str) -> None:
    network = reader(name).train()
    ids = torch.randint(2, VOCABULARY, (3, LENGTH))
    ids[1] = 0
    scores = network(ids)
    scores.square().sum().backward()
    assert scores.shape == (3, OUTPUTS)
    assert scores.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("name", READERS)
def test_rows_do_not_see_each_other_and_order_counts(name: str) -> None:
    network = reader(name)
    ids = torch.randint(2, VOCABULARY, (4, LENGTH))
    changed = ids.clone()
    changed[2] = torch.randint(2, VOCABULARY, (LENGTH,))
    before, after = network(ids), network(changed)
    torch.testing.assert_close(before[[0, 1, 3]], after[[0, 1, 3]])
    assert not torch.allclose(before[2], after[2])
    assert not torch.allclose(network(ids.flip(1)), before)


@pytest.mark.parametrize("name", READERS)
def test_it_learns_which_token_was_there(name: str) -> None:
    network = reader(name).train()
    ids = torch.randint(4, VOCABULARY, (60, LENGTH))
    wanted = torch.arange(60) % OUTPUTS
    ids[torch.arange(60), torch.randint(0, LENGTH, (60,))] = wanted + 1
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(60):
        loss = functional.cross_entropy(network(ids), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3


@pytest.mark.parametrize("ngrams", [0, 3])
def test_the_future_is_not_seen(ngrams: int) -> None:
    network = stirred(speaker(ngrams=ngrams))
    ids = torch.randint(2, VOCABULARY, (2, LENGTH))
    changed = ids.clone()
    changed[:, 6:] = torch.randint(2, VOCABULARY, (2, LENGTH - 6))
    before, after = network(ids), network(changed)
    torch.testing.assert_close(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])
    assert before.shape == (2, LENGTH, VOCABULARY)


def test_context_is_read_like_text() -> None:
    network = stirred(speaker())
    ids = torch.randint(2, VOCABULARY, (2, LENGTH))
    marked = ids.clone()
    marked[:, :4] *= -1
    torch.testing.assert_close(network(ids), network(marked))


def test_first_scores_are_those_of_a_guess() -> None:
    ids = torch.randint(2, VOCABULARY, (8, LENGTH + 1))
    scores = speaker()(ids[:, :-1])
    loss = functional.cross_entropy(scores.flatten(0, 1), ids[:, 1:].flatten()).item()
    assert loss == pytest.approx(torch.tensor(float(VOCABULARY)).log().item(), abs=0.1)


@pytest.mark.parametrize("family", ["gpt", "text_transformer", "lstm", "gru"])
def test_the_defaults_of_a_family_build_its_network(family: str) -> None:
    from trainwright.core import registry
    from trainwright.families.contract import Request

    module = registry.load("families", family)
    task = Task.LANGUAGE if family == "gpt" else Task.BINARY
    plan = module.build({}, Request(task=task, num_classes=2))
    inputs = Inputs(kind=plan.features, shape=(LENGTH,), vocabulary=VOCABULARY)
    network = {"gpt": gpt, "text_transformer": text_transformer, "lstm": lstm, "gru": gru}[family].build(
        plan.params, inputs, VOCABULARY
    )
    assert network(torch.randint(2, VOCABULARY, (2, LENGTH))).isfinite().all()
    assert "tokenizer" in plan.options["features"]
