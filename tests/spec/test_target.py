"""The forms of ``data.target``."""

import pytest

from trainwright.spec.target import TargetExpression, parse_target


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        ('readmitted == "<30"', "readmitted", "<30"),
        ("readmitted=='<30'", "readmitted", "<30"),
        ('"a b" == "c"', "a b", "c"),
        ("`a == b` == 3", "a == b", 3),
        ("score == 1e-3", "score", 0.001),
        ("paid == true", "paid", True),
        ('x == ""', "x", ""),
    ],
)
def test_comparisons(text: str, column: str, value: object) -> None:
    found = parse_target(text)
    assert found == TargetExpression(column, value, is_comparison=True)  # type: ignore[arg-type]
    assert type(found.value) is type(value)


@pytest.mark.parametrize("text", ["y", " y ", "income (USD)", "a>b", "motor_UPDRS", "subject#", "__import__('os')"])
def test_columns(text: str) -> None:
    assert parse_target(text) == TargetExpression(text.strip())


def test_backticks_hold_any_name() -> None:
    assert parse_target("`a > b`") == TargetExpression("a > b")


@pytest.mark.parametrize(
    "text", ["", "  ", "== 3", "a ==", "a == b", "a == null", "a != 3", "a in b", "a\nb", "x" * 2000]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"target|quotes|=="):
        parse_target(text)
