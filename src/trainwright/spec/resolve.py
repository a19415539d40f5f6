"""``resolved.yaml``: every value as used, with its origin behind it. The file is a spec itself."""

from collections.abc import Mapping
from enum import Enum

from trainwright.core.jsonable import to_json
from trainwright.core.units import Budget, Duration
from trainwright.spec.emit import emit
from trainwright.spec.load import FREE_MAPPINGS, LoadedSpec
from trainwright.spec.loop import LOOP_KEYS
from trainwright.spec.models import budget_text, duration_text
from trainwright.spec.vocabulary import fields

_HEAD = (
    "# Every value as used, and where it came from. This file is a spec and can be trained again;\n"
    "# relative paths start from the folder of the spec it was made from.\n"
)
_ONLY_WHERE_SET = frozenset({*LOOP_KEYS, "distributed", "epochs", "rounds"})
_ORIGINS = {"override": "override (-o)"}


def resolved_yaml(loaded: LoadedSpec, settled: Mapping[str, tuple[object, str]]) -> str:
    """The spec with what the run settled, as commented YAML that loads to the same values.

    ``settled`` maps a dotted path to (value, origin), for example ``{"task": ("binary", "inferred")}``. Where the spec
    already gave that value, its own origin stays.

    Raises:
        ValueError: a settled path is not part of the language.
    """
    tree = _plain(loaded.spec.model_dump())
    assert isinstance(tree, dict)
    origins = {path: _ORIGINS.get(origin, origin) for path, origin in loaded.origins.items()}
    if loaded.spec.name is None:
        settled = {"name": (loaded.name, "from the file name"), **settled}
    for path, (value, origin) in settled.items():
        node, key = _holder(tree, path)
        plain = _plain(value)
        if loaded.origins.get(path, "default") == "default" or key not in node or node[key] != plain:
            origins[path] = _one_line(origin)
        node[key] = plain
    training = tree["training"]
    assert isinstance(training, dict)
    tree["training"] = _without_unset(training)
    return _HEAD + emit(tree, lambda path: _nearest(origins, path))


def _without_unset(training: Mapping[str, object]) -> dict[str, object]:
    """Keys for networks that nobody set, and this engine does not read, would only hide the others."""
    kept: dict[str, object] = {}
    for key, value in training.items():
        if key in _ONLY_WHERE_SET and isinstance(value, Mapping):
            kept[key] = {inner: one for inner, one in value.items() if one is not None}
        elif value is not None or key not in _ONLY_WHERE_SET:
            kept[key] = value
    return kept


def _holder(tree: dict[str, object], path: str) -> tuple[dict[str, object], str]:
    """The mapping that holds a path, made where it was null, and the key in it."""
    free = next((f for f in FREE_MAPPINGS if path.startswith(f"{f}.")), None)
    if free is None and path not in fields():
        raise ValueError(f"{path} is not part of the spec language")
    parts = [*free.split("."), path[len(free) + 1 :]] if free else path.split(".")
    node = tree
    for part in parts[:-1]:
        inner = node.get(part)
        if not isinstance(inner, dict):
            inner = node[part] = {}
        node = inner
    return node, parts[-1]


def _nearest(origins: Mapping[str, str], path: str) -> str:
    while path and path not in origins:
        path = path.rpartition(".")[0]
    return origins.get(path, "default")


def _plain(value: object) -> object:
    """Dicts, lists and scalars, non-finite numbers kept."""
    if isinstance(value, Duration):
        return duration_text(value)
    if isinstance(value, Budget):
        return budget_text(value)
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return to_json(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
