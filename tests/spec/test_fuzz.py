# ruff: noqa: E501 - a table is read by its lines
"""Whatever the bytes, a spec loads or ends in a SpecError, soon."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.spec.test_good_specs import GOOD
from trainwright.core.errors import SpecError
from trainwright.core.units import Duration
from trainwright.spec.emit import emit
from trainwright.spec.load import load
from trainwright.spec.models import duration_text
from trainwright.spec.scalars import resolve, write
from trainwright.spec.tree import read_document

TEXTS = list(GOOD.values())
PIECES = [
    *("\t", "- ", ": ", "[", "]", "{", "}", "'", '"', "&a ", "*a", "!x ", "|\n", ">\n", "? ", "---\n", "#", "%", "\0"),
    *("\r", "\u2028", "null", "true", "-1", "1e999", ".nan", "0x" + "f" * 50, "9" * 400, "~", "@", "`", "<<: ", "\n"),
]


def expect_findings(error: SpecError) -> None:
    assert error.exit_code == 2
    assert error.findings


def attempt(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    began = time.monotonic()
    try:
        load(path, frames=True)
    except SpecError as error:
        expect_findings(error)
    assert time.monotonic() - began < 5


@pytest.fixture(scope="module")
def spec_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "spec.yaml"


fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@fuzz
@given(content=st.binary(max_size=300))
def test_any_bytes(spec_path: Path, content: bytes) -> None:
    attempt(spec_path, content)


@fuzz
@given(content=st.text(alphabet=st.sampled_from("ab01:-[]{}'\"&*!|>?#%@`,. \n\t"), max_size=120))
def test_any_marks(spec_path: Path, content: str) -> None:
    attempt(spec_path, content.encode())


@fuzz
@given(text=st.sampled_from(TEXTS), seed=st.integers(0, 2**32))
def test_broken_good_specs(spec_path: Path, text: str, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(text) + 1)
        change: Callable[[], str] = rng.choice(
            [
                lambda at=at, text=text: text[:at] + rng.choice(PIECES) + text[at:],  # type: ignore[misc]
                lambda at=at, text=text: text[:at] + text[at + rng.randint(1, 8) :],  # type: ignore[misc]
                lambda at=at, text=text: text[:at] + rng.choice(TEXTS)[:40] + text[at:],  # type: ignore[misc]
            ]
        )
        text = change()
    attempt(spec_path, text.encode())


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)


@fuzz
@given(spec=st.dictionaries(st.sampled_from(["name", "seed", "data", "training", "checks", "export"]), plain))
def test_any_mapping(spec: dict[str, object]) -> None:
    try:
        load(spec, frames=True)
    except SpecError as error:
        expect_findings(error)


@fuzz
@given(path=st.sampled_from(["seed", "data.target", "export.0", "data.columns", "a.b"]), value=st.text(max_size=30))
def test_any_override(path: str, value: str) -> None:
    try:
        load({"data": {"target": "y"}, "export": ["native"]}, overrides=[f"{path}={value}"], frames=True)
    except SpecError as error:
        expect_findings(error)


@given(
    values=st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda k: k != "<<"), plain, min_size=1, max_size=5)
)
def test_what_is_written_reads_back(values: dict[str, object]) -> None:
    document = read_document(emit(values))
    assert document is not None
    assert document.value == values
    assert not document.troubles


@given(value=st.text(max_size=12) | st.floats(allow_nan=False) | st.booleans() | st.none())
def test_a_plain_scalar_means_itself(value: str | float | bool | None) -> None:
    text = write(value)
    if not text.startswith('"'):
        assert resolve(text) == value


@given(seconds=st.floats(min_value=1e-9, max_value=1e12))
def test_a_duration_reads_back(seconds: float) -> None:
    assert Duration.parse(duration_text(Duration(seconds))) == Duration(seconds)


DOCUMENT_PIECES = [
    *("# Plan\n", "## Architecture\n", "**Baselines**\n", "Training Strategy\n---\n", "## Search space\n", "\n", "```\n", "text\n"),
    *("```yaml\n", "```json\n", "   ```yaml\n", "~~~\n", "model_type: lightgbm\n", "- knn\n", "a: &x [*x]\n", "rounds: 3\n", "<!--\n"),
    *("parameters: {a: 1}\n", "learning_rate: {min: 1, max: 2}\n", "target: y\n", "task: [1]\n", "data: {split: 3}\n", "-->\n", "\0"),
    *("training: {rounds: {a: 1}}\n", "hyperparameter_search: {search_space: 3}\n", "baselines: {}\n", "[]\n", "{a: {b: \n"),
]  # fmt: skip


@fuzz
@given(pieces=st.lists(st.sampled_from(DOCUMENT_PIECES), max_size=25))
def test_any_document(spec_path: Path, pieces: list[str]) -> None:
    folder = spec_path.parent
    (folder / "plan.md").write_text("".join(pieces))
    attempt(folder / "planned.yaml", b"architecture: {artifact: plan.md}\ndata: {target: y}\n")
