"""``training.repairs``: a mode, a mapping, and the repairs of an earlier run."""

import pytest

from tests.spec.conftest import Loader
from trainwright.core.errors import SpecError
from trainwright.fit.plan import judge_model
from trainwright.spec.load import load
from trainwright.spec.resolve import resolved_yaml

DATA = "data: {train_path: train.csv, target: y}\n"


@pytest.mark.parametrize(
    ("written", "mode"), [("suggest", "suggest"), ("off", "off"), ("{mode: AUTO, rate_changes: 2}", "auto")]
)
def test_a_mode_alone_is_enough(load_text: Loader, written: str, mode: str) -> None:
    repairs = load_text(f"{DATA}training: {{repairs: {written}}}").spec.training.repairs
    assert (repairs.mode, repairs.skipped_rows, repairs.repeat) == (mode, 20, ())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("sugest", "Did you mean suggest?"),
        ("{rate_changes: -1}", "must be at least 0"),
        ("{mod: auto}", "Did you mean mode?"),
        ("true", "a mapping is needed"),
        ("{repeat: [{symptom: s, action: cut, values: {}, rounds: 1}]}", "training.repairs.repeat.0.action"),
    ],
)
def test_mistakes_have_a_place(load_text: Loader, written: str, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        load_text(f"{DATA}training: {{repairs: {written}}}")
    assert said in refused.value.message
    assert "spec.yaml:2:" in refused.value.message


def test_a_model_that_cannot_be_repaired_has_nothing_to_repeat(load_text: Loader) -> None:
    made = "{symptom: s, action: learning_rate, values: {factor: 0.1}, rounds: 1}"
    text = f"{DATA}architecture: {{model_type: linear}}\ntraining: {{repairs: {{repeat: [{made}]}}}}"
    with pytest.raises(SpecError, match=r"spec.yaml:3:\d+: training.repairs.repeat: linear has no such repairs"):
        load_text(text, judges=[judge_model])


def test_a_repair_that_begins_again_goes_back(load_text: Loader) -> None:
    made = "{symptom: s, action: clip_norm, values: {norm: 1.0}, rounds: 1, beginning: true}"
    text = f"{DATA}architecture: {{model_type: mlp}}\ntraining: {{repairs: {{repeat: [{made}]}}}}"
    with pytest.raises(SpecError, match=r"spec.yaml:3:\d+: training.repairs.repeat: a repair cannot begin again"):
        load_text(text, judges=[judge_model])
    load_text(text.replace("beginning: true", "beginning: true, back: true"), judges=[judge_model])


def test_what_was_repaired_goes_into_resolved_yaml_and_loads_again(load_text: Loader) -> None:
    loaded = load_text(f"{DATA}training: {{repairs: suggest}}")
    made = {
        "symptom": "doctor.loss_exploding",
        "action": "learning_rate",
        "values": {"measure": True},
        "rounds": 1,
        "step": 0,
        "back": True,
        "beginning": True,
    }
    text = resolved_yaml(loaded, {"training.repairs.repeat": ([made], "repair")})
    assert "repeat:  # repair" in text
    (loaded.base / "again.yaml").write_text(text)
    again = load(loaded.base / "again.yaml").spec.training.repairs
    assert again.mode == "suggest"
    assert [one.model_dump() for one in again.repeat] == [made]
