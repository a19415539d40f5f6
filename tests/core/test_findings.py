"""Findings: there and back through JSON, and one good sentence."""

import json

import numpy as np
import pytest

from trainwright.core.findings import Finding, Severity, finding_from_json
from trainwright.core.jsonable import dumps


@pytest.mark.parametrize("severity", Severity)
def test_a_finding_survives_json(severity):
    finding = Finding(
        code="leak.target_copy", severity=severity, where="column 'total'", what="equals the target in 99.8 % of rows",
        why="A model would learn the copy", fix="Add it to columns.ignore", evidence={"share": 0.998, "rows": [1, 2]},
    )  # fmt: skip
    assert finding_from_json(json.loads(dumps(finding.to_json()))) == finding


def test_evidence_of_any_kind_becomes_json():
    finding = Finding(
        code="x", severity=Severity.INFO, where="", what="w", evidence={"auc": np.float64("nan"), "rows": np.arange(2)}
    )  # fmt: skip
    assert finding.to_json()["evidence"] == {"auc": "nan", "rows": [0, 1]}


def test_little_is_needed_to_read_one_back():
    assert finding_from_json({"code": "a.b", "severity": "info"}) == Finding(
        code="a.b", severity=Severity.INFO, where="", what=""
    )  # fmt: skip


def test_a_severity_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="fatal"):
        finding_from_json({"code": "a", "severity": "fatal"})


@pytest.mark.parametrize(
    ("where", "what", "why", "fix", "sentence"),
    [
        ("age", "has gaps", "", "", "age: has gaps."),
        ("", "has gaps.", "They matter!", "Fill them", "has gaps. They matter! Fill them."),
        ("age", "what?", "", "Write:", "age: what? Write:"),
    ],
)
def test_one_sentence_for_people(where, what, why, fix, sentence):
    finding = Finding(code="c", severity=Severity.WARNING, where=where, what=what, why=why, fix=fix)
    assert finding.sentence() == sentence
