"""The key ``tracking``: what it becomes, and what its mistakes do not show."""

import pytest

from tests.spec.conftest import Loader
from trainwright.core.errors import SpecError

DATA = "data: {train_path: train.csv, target: y}\n"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("[MLflow, wandb]", {"mlflow": {}, "wandb": {}}),
        ("{mlflow: {experiment: x}, wandb: null}", {"mlflow": {"experiment": "x"}, "wandb": {}}),
        ("[]", {}),
        ("[jsonl]", {"jsonl": {}}),
    ],
)
def test_names_and_options_become_a_mapping(load_text: Loader, written: str, read: dict[str, dict[str, str]]):
    assert load_text(f"{DATA}tracking: {written}\n").spec.tracking == read


def test_no_message_shows_a_password(load_text: Loader):
    wanted = 'tracking={"mlflow": {"uri": "http://me:hunter22@host"}}'
    with pytest.raises(SpecError, match="holds a password") as caught:
        load_text(DATA, overrides=(wanted,))
    told = [caught.value.message, *(f.where + f.what + f.fix for f in caught.value.findings)]
    assert not [text for text in told if "hunter22" in text]
