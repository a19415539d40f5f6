"""What `trainwright init` writes loads without mistakes and says why."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.conftest import Loader
from trainwright.spec.load import load
from trainwright.spec.write import SpecDraft, write_spec


def test_a_full_draft(load_text: Loader) -> None:
    draft = SpecDraft(
        name="Churn 2026",
        train_path="train.csv",
        target='readmitted == "<30"',
        task="binary",
        ignore=(("customerID", "unique\nin every row"), ("patient", "identifies the person"), ("readmitted", "x")),
        group=("patient", "the same person has several rows"),
        kinds={"categorical": ("zip", "patient"), "text": ("no",)},
        split={"val": 0.2, "test": 0.2, "strategy": "group", "column": "patient", "why": "persons stay together"},
        metric="roc_auc",
        notes=("3 columns: constant",),
    )
    text = write_spec(draft)
    spec = load_text(text).spec
    assert spec.name == "churn-2026"
    assert spec.data.columns.ignore == ("customerID",)
    assert spec.data.columns.group == "patient"
    assert spec.data.columns.categorical == ("zip",)
    assert spec.data.columns.text == ("no",)
    assert spec.data.split is not None
    assert spec.data.split.strategy == "group"
    for why in ("unique in every row", "persons stay together", "# Note: 3 columns: constant"):
        assert why in text


def test_the_smallest_draft(load_text: Loader) -> None:
    text = write_spec(SpecDraft(name="x", train_path="train.csv", target="y"))
    assert "columns" not in text
    assert load_text(text).spec.task == "auto"


names = st.text(min_size=1, max_size=30).filter(lambda t: t.strip() and max(t) < "\ud800")


@given(target=names, ignored=st.lists(st.tuples(names, st.text(max_size=20)), max_size=4), note=st.text())
def test_any_names_load_back(target: str, ignored: list[tuple[str, str]], note: str) -> None:
    from trainwright.spec.target import parse_target

    try:
        column = parse_target(target).column
    except ValueError:
        return
    draft = SpecDraft(name=note, train_path="x.csv", target=target, ignore=tuple(ignored), notes=(note,))
    from ruamel.yaml import YAML

    values = YAML(typ="safe", pure=True).load(write_spec(draft))
    listed = (values["data"].get("columns") or {}).get("ignore", [])
    assert values["data"]["target"] == target
    assert listed == [c for c in dict.fromkeys(c for c, _ in ignored) if c != column]


def test_a_time_split(load_text: Loader) -> None:
    draft = SpecDraft(
        name="air",
        train_path="train.csv",
        target="pm25",
        time=("date", "rows are hourly"),
        split={"val": 0.1, "test": 0.1, "strategy": "time", "column": "date"},
    )
    spec = load_text(write_spec(draft)).spec
    assert spec.data.columns.time == "date"
    loose = SpecDraft(name="air", train_path="train.csv", target="y", split={"strategy": "time", "column": "date"})
    split = load_text(write_spec(loose)).spec.data.split
    assert split is not None
    assert split.column == "date"


def test_a_missing_file_is_still_found(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(write_spec(SpecDraft(name="x", train_path="gone.csv", target="y")))
    with pytest.raises(Exception, match="no such file"):
        load(path)
