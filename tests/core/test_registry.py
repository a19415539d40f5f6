"""Plug-ins by file name and by entry point."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from trainwright.core import registry
from trainwright.core.errors import SpecError


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """An installed package with entry points: a good one, one that shadows, one that names a class."""
    (tmp_path / "somebodys_plugin.py").write_text("class Thing: pass\n")
    folder = tmp_path / "somebodys_plugin-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-plugin\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[trainwright.trackers]\n"
        "theirs = somebodys_plugin\njsonl = somebodys_plugin\na_class = somebodys_plugin:Thing\n"
        "[trainwright.engines]\nelsewhere = somebodys_plugin\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("somebodys_plugin")
    del sys.modules["somebodys_plugin"]


@pytest.mark.parametrize("kind", ["engines", "families", "trackers"])
def test_names_are_sorted_plugins_only(kind):
    names = registry.names(kind)
    assert list(names) == sorted(names)
    assert not {"contract", "testing"} & set(names)
    assert not [n for n in names if n.startswith("_")]


def test_a_file_in_the_folder_is_a_plugin():
    assert "jsonl" in registry.names("trackers")
    assert registry.load("trackers", "jsonl").__name__ == "trainwright.trackers.jsonl"


def test_an_installed_plugin_is_found_and_loaded(installed):
    assert "theirs" in registry.names("trackers")
    assert "elsewhere" not in registry.names("trackers")
    assert registry.load("trackers", "theirs") is installed


def test_our_own_name_wins(installed):
    assert registry.load("trackers", "jsonl") is not installed
    assert registry.names("trackers").count("jsonl") == 1


def test_an_entry_point_must_name_a_module(installed):
    with pytest.raises(SpecError, match=r"trainwright\.trackers:a_class must name a module"):
        registry.load("trackers", "a_class")


@pytest.mark.parametrize(("kind", "word"), [("trackers", "tracker"), ("engines", "engine"), ("families", "family")])
def test_an_unknown_name_is_answered_with_all_and_the_nearest(kind, word):
    with pytest.raises(SpecError, match=f"unknown {word} 'nobody_has_this'"):
        registry.load(kind, "nobody_has_this")
    with pytest.raises(SpecError, match=r"unknown tracker 'jsonlx'\. Did you mean 'jsonl'\? Known: .*jsonl"):
        registry.load("trackers", "jsonlx")


def test_a_module_that_is_no_plugin_cannot_be_loaded():
    with pytest.raises(SpecError, match="unknown engine 'contract'"):
        registry.load("engines", "contract")
