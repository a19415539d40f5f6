"""Plug-ins by name: a module in the kind's folder, or an installed entry point. Nothing registers itself.

A plug-in is a module. ``trainwright/engines/lightgbm.py`` is the engine ``lightgbm``; a third party adds one
with the entry point group ``trainwright.engines``. A name that starts with an underscore, and the modules
named in `_NOT_PLUGINS`, are not plug-ins. Listing names imports nothing.
"""

import difflib
import functools
import importlib
import importlib.util
import pkgutil
import sys
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from types import ModuleType
from typing import Literal, TypeAlias

from trainwright.core.errors import SpecError

PluginKind: TypeAlias = Literal["engines", "families", "trackers", "exports"]

_NOT_PLUGINS = frozenset({"contract", "repairs", "testing"})
_INSIDE = {"exports": "fit.formats"}
"""Kinds whose folder lies inside another one."""


def names(kind: PluginKind) -> tuple[str, ...]:
    """All plug-in names of a kind, sorted."""
    return tuple(sorted({*_built_in(kind), *_installed(kind)}))


def load(kind: PluginKind, name: str) -> ModuleType:
    """Import the plug-in of that name; built-in names win over installed ones.

    Raises:
        SpecError: no plug-in has that name; the message lists the known ones and the nearest.
    """
    if name in _built_in(kind):
        return importlib.import_module(f"trainwright.{_INSIDE.get(kind, kind)}.{name}")
    installed = _installed(kind)
    if name in installed:
        module = installed[name].load()
        if not isinstance(module, ModuleType):
            raise SpecError(f"the entry point trainwright.{kind}:{name} must name a module, got {module!r}")
        return module
    raise SpecError(unknown(kind.removesuffix("s") if kind != "families" else "family", name, names(kind)))


def unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    """The message for a name nobody knows: the nearest one, and all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown {what} {name!r}.{hint} Known: {', '.join(known)}."


def _built_in(kind: PluginKind) -> frozenset[str]:
    spec = importlib.util.find_spec(f"trainwright.{_INSIDE.get(kind, kind)}")
    if spec is None or spec.submodule_search_locations is None:
        return frozenset()
    found = pkgutil.iter_modules(spec.submodule_search_locations)
    return frozenset(m.name for m in found if m.name not in _NOT_PLUGINS and not m.name.startswith("_"))


def _installed(kind: PluginKind) -> dict[str, EntryPoint]:
    return {point.name: point for point in _entry_points(f"trainwright.{kind}", tuple(sys.path))}


@functools.lru_cache(maxsize=8)
def _entry_points(group: str, path: tuple[str, ...]) -> EntryPoints:
    """Those of all packages on a path. Reading the ones of 150 packages takes 9 ms, and a run asks 14 times."""
    return entry_points(group=group)
