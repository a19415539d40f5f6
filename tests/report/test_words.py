"""Numbers, names and values as text."""

import doctest

import pytest
from ruamel.yaml import YAML

from trainwright.report import markdown, words


@pytest.mark.parametrize("module", [words, markdown])
def test_examples_in_the_docs_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # modules


@pytest.mark.parametrize(
    ("given", "expected"),
    [(0.3, "0.3 s"), (12.4, "12 s"), (250.0, "4 min 10 s"), (9000.0, "2.5 h"), (None, "not recorded")],
)
def test_durations(given: float | None, expected: str) -> None:
    assert words.duration(given) == expected


@pytest.mark.parametrize(("given", "expected"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_400_000, "2.4 MB")])
def test_sizes(given: int, expected: str) -> None:
    assert words.size(given) == expected


@pytest.mark.parametrize("text", ["1. one", "- item", "# head", "+ plus", "0.8118", "a_b", "_a_", "a\\b", "x\ty\nz"])
def test_escaped_text_reads_back_the_same(text: str) -> None:
    escaped = markdown.escape(text)
    assert "\n" not in escaped
    assert not escaped.startswith(("- ", "# ", "+ ", "1. "))
    if text in ("0.8118", "a_b"):
        assert escaped == text


@pytest.mark.parametrize(
    "value", ["no", "1e3", "a: b", "```", "<x>", "", " lead", "null", "- x", "é", 1.5, True, None, [1, "a"], {"a": [1]}]
)
def test_yaml_values_read_back_the_same(value: object) -> None:
    block = markdown.yaml_block({"key": value, "no": 1})  # type: ignore[dict-item]  # JSON values
    assert YAML(typ="safe", pure=True).load(block) == {"key": value, "no": 1}
    assert "```" not in block


@pytest.mark.parametrize(("given", "expected"), [(0, "0 times"), (1, "once"), (2, "twice"), (3, "3 times")])
def test_how_often(given: int, expected: str) -> None:
    assert words.times(given) == expected
