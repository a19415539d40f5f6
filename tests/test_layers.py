"""The house stands: imports point down, never sideways between names of one row, and never in a circle."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import trainwright

SOURCE = Path(trainwright.__file__).parent

# DESIGN, section 5, top row first. `stages` holds what `pipeline` lists. Names on one row may not import each other:
# where they must meet, they go through `core.registry`, whose imports by name are not import statements.
ROWS = (
    ("__main__",),
    ("apps",),
    ("pipeline",),
    ("stages",),
    ("search",),
    ("checks", "fit"),
    ("families", "engines"),
    ("data", "doctor", "trackers", "report"),
    ("spec", "run"),
    ("core",),
)
HEIGHT = {name: len(ROWS) - row for row, names in enumerate(ROWS) for name in names}
# The package itself hands out the pipeline's functions, lazily; everybody may read its version.
FROM_ROOT = {"__version__"}


class Import(NamedTuple):
    """An import statement: in which module, which line, of which module; whether it runs at import time."""

    module: str
    line: int
    target: str
    at_import: bool


def modules() -> dict[str, Path]:
    """Dotted names of all our modules, with their files."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(module: str, text: str, known: set[str]) -> Iterator[Import]:
    """Every import of ours in a module, those inside functions and under TYPE_CHECKING included."""
    yield from _walk(ast.parse(text), module, known, at_import=True)


def _walk(node: ast.AST, module: str, known: set[str], *, at_import: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        runs = at_import and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.Import):
            targets = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}:{child.lineno} imports relatively; ruff forbids it"
            base = child.module or ""
            targets = [
                f"{base}.{a.name}" if f"{base}.{a.name}" in known | _root(base, a.name) else base for a in child.names
            ]
        else:
            targets = []
        for target in targets:
            if target.split(".")[0] == "trainwright":
                yield Import(module, getattr(child, "lineno", 0), target, runs)
        yield from _walk(child, module, known, at_import=runs and not _only_for_types(child))


def _root(base: str, name: str) -> set[str]:
    """A name taken from the package itself counts as a target of its own."""
    return {f"trainwright.{name}"} if base == "trainwright" else set()


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def verdict(found: Import) -> str:
    """What is wrong with an import; empty when nothing is."""
    if found.module == "trainwright":
        allowed = found.target.startswith("trainwright.pipeline") and not found.at_import
        return "" if allowed else "the package itself may only import pipeline, and only when it is asked for"
    source, target = found.module.split(".")[1], (found.target + ".").split(".")[1]
    if target in FROM_ROOT or target == source:
        return ""
    if target not in HEIGHT:
        return f"{target or 'trainwright'!r} is on no row of DESIGN section 5 (ROWS in this test)"
    if source not in HEIGHT:
        return f"{source!r} is on no row of DESIGN section 5 (ROWS in this test)"
    if HEIGHT[target] > HEIGHT[source]:
        return f"{source} lies below {target}: imports point down"
    return (
        f"{source} and {target} lie on one row: meet through core.registry" if HEIGHT[target] == HEIGHT[source] else ""
    )


MODULES = modules()
IMPORTS = [i for m, path in MODULES.items() for i in imports_of(m, path.read_text(encoding="utf-8"), set(MODULES))]


def test_imports_point_down_and_never_sideways():
    broken = [f"{i.module}:{i.line} imports {i.target}: {why}" for i in IMPORTS if (why := verdict(i))]
    assert not broken, "\n".join(["imports that break the layers:", *broken])


def test_every_folder_has_a_row():
    folders = {name.split(".")[1] for name in MODULES if "." in name}
    assert folders <= set(HEIGHT), f"on no row of DESIGN section 5: {sorted(folders - set(HEIGHT))}"


def test_no_module_imports_itself_in_a_circle():
    """At import time: a circle inside functions is legal Python, though the rows forbid most of them too."""
    edges: dict[str, set[str]] = {m: set() for m in MODULES}
    for found in IMPORTS:
        if found.at_import and found.target in MODULES and found.target != found.module:
            edges[found.module].add(found.target)
    assert not (circle := _circle(edges)), f"import circle: {' -> '.join(circle)}"


def _circle(edges: dict[str, set[str]]) -> list[str]:
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(edges[module]):
            if circle := visit(target, [*path, module]):
                return circle
        done.add(module)
        return []

    return next((c for m in sorted(edges) if (c := visit(m, []))), [])


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_can_be_imported(module):
    importlib.import_module(module)


@pytest.mark.parametrize(
    ("module", "code", "words"),
    [
        ("trainwright.core.x", "from trainwright.run.files import write_json", "core lies below run"),
        ("trainwright.core.x", "def f():\n    import trainwright.apps.cli", "core lies below apps"),
        ("trainwright.data.x", "if TYPE_CHECKING:\n    from trainwright.fit import plan", "data lies below fit"),
        ("trainwright.fit.x", "from trainwright.checks.rows import f", "fit and checks lie on one row"),
        ("trainwright.families.x", "from trainwright import engines", "families and engines lie on one row"),
        ("trainwright.run.x", "from trainwright import train", "'train' is on no row"),
        ("trainwright.cellar.x", "from trainwright.core import seeds", "'cellar' is on no row"),
        ("trainwright", "from trainwright import pipeline", "only when it is asked for"),
        ("trainwright", "def f():\n    from trainwright.fit import plan", "only import pipeline"),
    ],
)
def test_a_broken_import_is_noticed(module, code, words):
    (found,) = imports_of(module, code, {"trainwright.engines", "trainwright.fit.plan"})
    assert words in verdict(found)


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("trainwright.fit.x", "from trainwright.engines.contract import Job"),
        ("trainwright.fit.x", "from trainwright.fit.plan import Plan"),
        ("trainwright.run.x", "from trainwright import __version__"),
        ("trainwright.apps.x", "from trainwright import pipeline"),
        ("trainwright", "if TYPE_CHECKING:\n    from trainwright.pipeline import train"),
        ("trainwright.core.x", "import json\nfrom pathlib import Path"),
    ],
)
def test_a_good_import_is_left_alone(module, code):
    assert [verdict(i) for i in imports_of(module, code, set())] in ([""], [])


def test_a_circle_is_noticed():
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()}) == ["a", "b", "c", "a"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
