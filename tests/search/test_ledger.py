"""The ledger: nothing lost, nothing twice, a torn tail cut, damage told."""

import pytest

from tests.search.builders import record
from trainwright.core.errors import ArtifactRefused
from trainwright.core.findings import Finding, Severity
from trainwright.search.ledger import Ledger, read_ledger

FULL = record(
    0,
    0.25,
    train=0.2,
    rounds=40,
    curve=((10, 0.5), (20, 0.25)),
    folds=(0.1, 0.4),
    size=120,
    seconds=1.5,
    seed=2**62 + 1,
    origin="tpe",
    reason="early_stopping",
    findings=(Finding(code="a.b", severity=Severity.WARNING, where="w", what="x", evidence={"n": 1}),),
)


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "search" / "trials.jsonl"
    ledger = Ledger(path)
    ledger.append(FULL)
    ledger.append(record(1, None, state="failed", reason="NaN"))
    ledger.append(record(0, 0.26, repeat=1))
    again = Ledger(path)
    assert again.trials == (FULL, record(1, None, state="failed", reason="NaN"))
    assert again.repeats == (record(0, 0.26, repeat=1),)
    assert again.find(0, 1) == record(0, 0.26, repeat=1)
    assert again.find(2) is None
    assert again.seconds == 1.5
    assert read_ledger(path) == (FULL, record(0, 0.26, repeat=1), record(1, None, state="failed", reason="NaN"))


def test_a_trial_counts_once(tmp_path):
    ledger = Ledger(tmp_path / "trials.jsonl")
    ledger.append(record(0, 0.25))
    ledger.append(record(0, 0.99))
    assert [r.value for r in Ledger(tmp_path / "trials.jsonl").trials] == [0.25]
    assert len((tmp_path / "trials.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("kept", range(0, 200, 13))
def test_a_torn_tail_is_cut_and_the_next_trial_stands_on_a_line_of_its_own(tmp_path, kept):
    path = tmp_path / "trials.jsonl"
    Ledger(path).append(record(0, 0.25))
    whole = path.read_bytes()
    Ledger(path).append(record(1, 0.5))
    torn = path.read_bytes()[: len(whole) + kept]
    path.write_bytes(torn)
    ledger = Ledger(path)
    assert [r.number for r in ledger.trials] == [0]
    assert path.read_bytes() == whole
    ledger.append(record(1, 0.5))
    assert [r.number for r in Ledger(path).trials] == [0, 1]


def test_a_last_line_with_a_flipped_bit_is_run_again(tmp_path):
    path = tmp_path / "trials.jsonl"
    for number in range(2):
        Ledger(path).append(record(number, 0.25))
    content = path.read_bytes()
    path.write_bytes(content[:-1].replace(b'"value":0.25', b'"value":0.35').replace(b"0.35", b"0.25", 1) + b"\n")
    assert [r.number for r in Ledger(path).trials] == [0]


def test_damage_before_the_end_is_refused_with_its_line(tmp_path):
    path = tmp_path / "trials.jsonl"
    for number in range(3):
        Ledger(path).append(record(number, 0.25))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"0.25", b"0.24") + lines[2])
    with pytest.raises(ArtifactRefused, match=r"trials\.jsonl:2 is damaged"):
        Ledger(path)


def test_no_ledger_is_an_empty_one(tmp_path):
    assert read_ledger(tmp_path / "none.jsonl") == ()
    assert Ledger(tmp_path / "deep" / "none.jsonl").trials == ()
