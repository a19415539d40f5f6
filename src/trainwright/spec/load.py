"""Loading a spec: every mistake at once, each with its place.

The order: read the text into plain values with places; apply overrides; put the architect's document under them; find
what was never filled in; validate against the models, setting what is wrong aside so that the rest can still be judged;
find a target that nobody named; apply the rules between values; ask the judges of the layers above. The first phase
that cannot go on raises alone, all others collect.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError

from trainwright.core.code_files import is_code
from trainwright.core.errors import SpecError
from trainwright.core.findings import Finding, Severity
from trainwright.spec.document import ARTIFACT, Advice, read_advice
from trainwright.spec.explain import explain
from trainwright.spec.files import code_files, data_files
from trainwright.spec.merge import merge, read_texts
from trainwright.spec.mistakes import Mistake, Place, shown, spec_error
from trainwright.spec.models import Spec
from trainwright.spec.overrides import apply_overrides
from trainwright.spec.paths import locate, path_problems
from trainwright.spec.rules import RULES, required
from trainwright.spec.source import Source, read_source
from trainwright.spec.syntax import Unreadable
from trainwright.spec.target import USUAL_NAMES, usual_target
from trainwright.spec.traps import find_traps
from trainwright.spec.tree import Value
from trainwright.spec.vocabulary import fields, section_of

__all__ = ["Columns", "Judge", "LoadedSpec", "Mistake", "load", "spec_error"]

_MOST_ERRORS = 300  # validation errors explained; the message lists 100 (assumption: nobody reads more)
_MOST_PARTS = 64  # of a dotted path: the depth limit of a document, and some for keys with dots in them
_MOST_ROUNDS = 5  # validation is repeated without what was wrong; two rounds suffice for the models as they are
_SET_ASIDE = frozenset({"tag", "template", "placeholder", "secret"})  # troubles whose value must not be judged further
FREE_MAPPINGS = ("architecture.architecture_spec", "hyperparameter_search.search_space", "checks", "tracking")


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A spec without mistakes, and where each of its values was written.

    ``base`` is the folder relative paths start from, ``text`` the spec as given (YAML for a mapping), ``name`` the
    run's name, ``origins`` the origin of every value by dotted path: given, override, document (and its line) or
    default. ``document`` is the architect's document as it was read, ``findings`` what is to be said of it.
    """

    spec: Spec
    base: Path
    text: str
    name: str
    origins: Mapping[str, str]
    label: str = "spec"
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)
    document: str | None = None
    findings: tuple[Finding, ...] = ()

    def mistake(self, path: str, what: str, fix: str = "", *, code: str = "value") -> Mistake:
        """A mistake at a dotted path; the nearest written ancestor gives the place where the path has none."""
        return Mistake(path=path, what=what, fix=fix, place=_place(self.places, path, self.label), code=code)

    def resolve_path(self, text: str) -> Path:
        """A path of the spec as a path of this process."""
        return locate(self.base, text)


Judge: TypeAlias = Callable[[LoadedSpec], Iterable[Mistake]]
Columns: TypeAlias = Callable[[Path | None], Sequence[str]]
"""Names of the columns of a data file, or (None) of the training frame; empty where they cannot be told."""


def load(
    source: str | Path | Mapping[str, object],
    *,
    overrides: Sequence[str] = (),
    base: Path | None = None,
    judges: Sequence[Judge] = (),
    frames: bool = False,
    columns: Columns | None = None,
    document: Path | None = None,
) -> LoadedSpec:
    """Load a spec from a file (YAML 1.2 or JSON) or a mapping.

    ``frames`` says that the rows come as data frames, so that no file needs to be named or there. ``base`` overrides
    the folder that relative paths start from, ``document`` the place of ``architecture.artifact`` (a run's own copy).
    ``columns`` tells the columns of the training rows where the target is not named.

    Raises:
        SpecError: listing every mistake in the file, the overrides, and what the judges add.
    """
    try:
        origin = read_source(source, base)
    except Unreadable as error:
        raise spec_error([_unreadable(error, "spec" if isinstance(source, Mapping) else str(source))]) from error
    tree = _first_level(origin)
    places = _places(origin)
    troubles = [*_document_mistakes(origin), *apply_overrides(tree, places, overrides)]
    advice, findings = _with_document(tree, places, origin, document, troubles)
    for path, what, fix, code in list(find_traps(tree)):
        troubles.append(_mistake(origin, places, path, what, fix, code))
    for trouble in troubles:
        if trouble.code in _SET_ASIDE:
            _set_aside(tree, tuple(trouble.path.split(".")))
    spec = _validate(tree, origin, places, troubles)
    here = _columns_of(spec, origin.base, columns)
    origins = _origins(spec, places, tree)
    if (target := usual_target(here)) is not None:
        spec = spec.model_copy(update={"data": spec.data.model_copy(update={"target": target})})
        origins["data.target"] = f"the only column called {' or '.join(USUAL_NAMES)}"
        findings.append(_target_found(target))
    loaded = LoadedSpec(
        spec=spec,
        base=origin.base,
        text=origin.text,
        name=spec.name or origin.stem,
        origins=origins,
        label=origin.label,
        places=places,
        document=advice.text if advice is not None else None,
        findings=tuple(findings),
    )
    mistakes = _judge(loaded, troubles, judges, frames=frames, columns=here)
    if mistakes:
        raise spec_error(mistakes)
    return loaded


def _with_document(
    tree: dict[str, Value], places: dict[str, Place], origin: Source, stored: Path | None, troubles: list[Mistake]
) -> tuple[Advice | None, list[Finding]]:
    """Read the architect's document, if the spec names one, and put it under the spec."""
    architecture = tree.get("architecture")
    named = architecture.get("artifact") if isinstance(architecture, dict) else None
    troubles += read_texts(tree, places, has_document=isinstance(named, str))
    if not isinstance(named, str):
        return None, []
    if stored is None and (problems := list(path_problems(origin.base, named, many=False))):
        troubles += [_mistake(origin, places, ARTIFACT, what, fix, "path") for what, fix in problems]
        return None, []
    try:
        advice = read_advice(stored or locate(origin.base, named), named)
    except Unreadable as error:
        what = f"{named}{f':{error.line}' if error.line else ''}: {error.what}"
        troubles.append(_mistake(origin, places, ARTIFACT, what, error.fix, error.code))
        return None, []
    merged = merge(tree, places, advice)
    troubles += merged.mistakes
    return advice, merged.findings


def _columns_of(spec: Spec, base: Path, columns: Columns | None) -> Sequence[str]:
    """The columns of the training rows, where the target has to be looked for among them."""
    if columns is None or spec.data.target is not None or spec.task == "language":
        return ()
    path = spec.data.train_path
    if path is not None and (is_code(path) or list(path_problems(base, path, many=True))):
        return ()
    return columns(None if path is None else locate(base, path))


def _target_found(target: str) -> Finding:
    return Finding(
        code="spec.target_found",
        severity=Severity.WARNING,
        where="data.target",
        what=f"neither the spec nor a document names the target; {target!r} was taken",
        why=f"It is the only column called {', '.join(USUAL_NAMES[:-1])} or {USUAL_NAMES[-1]}.",
        fix=f"Write target: {target} under data, or the right column",
    )


def _first_level(origin: Source) -> dict[str, Value]:
    if origin.document is None:
        what = "the spec holds only comments" if "#" in origin.text else "the spec is empty"
        fix = "Write at least data.train_path and data.target, or let `trainwright init DATA --target Y` write it"
        raise spec_error([Mistake(path="", what=what, fix=fix, place=Place(f"{origin.label}:1:1"), code="empty")])
    value = origin.document.value
    if not isinstance(value, dict):
        what = f"the first level must be a mapping of keys, got {shown(value)}"
        line, column = origin.document.places.get("", (1, 1))
        place = Place(f"{origin.label}:{line}:{column}", line=line, column=column)
        raise spec_error([Mistake(path="", what=what, fix="Begin with data:", place=place, code="type")])
    return value


def _places(origin: Source) -> dict[str, Place]:
    if origin.document is None or origin.is_mapping:
        return {}
    return {
        path: Place(f"{origin.label}:{line}:{column}", line=line, column=column)
        for path, (line, column) in origin.document.places.items()
    }


def _place(places: Mapping[str, Place], path: str, label: str) -> Place:
    nearest_written = next((p for p in _with_ancestors(path) if p in places), "")
    return places.get(nearest_written, Place(label))


def _key_place(origin: Source, places: Mapping[str, Place], path: str) -> Place | None:
    """Where the key itself stands; None for one that an override wrote."""
    if origin.document is None or path not in origin.document.keys or places[path].origin == "override":
        return None
    line, column = origin.document.keys[path]
    return Place(f"{origin.label}:{line}:{column}", line=line, column=column)


def _mistake(origin: Source, places: Mapping[str, Place], path: str, what: str, fix: str, code: str) -> Mistake:
    return Mistake(path=path, what=what, fix=fix, place=_place(places, path, origin.label), code=code)


def _unreadable(error: Unreadable, label: str) -> Mistake:
    where = f"{label}:{error.line}:{error.column}" if error.line else label
    place = Place(where, line=error.line, column=error.column)
    return Mistake(path="", what=error.what, fix=error.fix, place=place, code=error.code)


def _document_mistakes(origin: Source) -> list[Mistake]:
    if origin.document is None:
        return []
    return [
        Mistake(
            path=t.path,
            what=t.what,
            fix=t.fix,
            place=Place(f"{origin.label}:{t.line}:{t.column}", line=t.line, column=t.column),
            code=t.code,
        )
        for t in origin.document.troubles
    ]


def _validate(tree: dict[str, Value], origin: Source, places: Mapping[str, Place], troubles: list[Mistake]) -> Spec:
    """The spec; what is wrong is explained, set aside, and left to its default."""
    for _ in range(_MOST_ROUNDS):
        try:
            return Spec.model_validate(tree)
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details[:_MOST_ERRORS]:
            path, what, fix, code = explain(detail)
            at_key = _key_place(origin, places, path) if code == "unknown_key" else None
            place = at_key or _place(places, path, origin.label)
            troubles.append(Mistake(path=path, what=what, fix=fix, place=place, code=code))
        for detail in reversed(details):
            _set_aside(tree, detail["loc"])
    return Spec()


def _set_aside(tree: Value, location: Sequence[str | int]) -> None:
    """Take a value out of the tree. List items become empty texts, so that the others keep their numbers. Where a short
    form stands for what the location lies in (``optimizer: adamx``, and its name is wrong), the short form goes."""
    node = tree
    for depth, part in enumerate(location, start=1):
        at = int(part) if str(part).isdigit() else -1
        inside: Value = None
        if isinstance(node, dict):
            inside = node.get(str(part))
        elif isinstance(node, list) and 0 <= at < len(node):
            inside = node[at]
        if depth < len(location) and isinstance(inside, dict | list):
            node = inside
            continue
        if isinstance(node, dict):
            node.pop(str(part), None)
        elif isinstance(node, list) and 0 <= at < len(node):
            node[at] = ""
        return


def _judge(
    loaded: LoadedSpec, troubles: list[Mistake], judges: Sequence[Judge], *, frames: bool, columns: Sequence[str]
) -> list[Mistake]:
    """The troubles so far and what rules and judges add; a value already in trouble is not judged again."""
    rules: list[Judge] = [lambda given: required(given, frames=frames, columns=columns), *RULES, code_files]
    if not frames:
        rules.append(data_files)
    mistakes = _without(troubles, [m for rule in rules for m in rule(loaded)])
    added: list[Mistake] = []
    for judge in judges:
        try:
            added.extend(judge(loaded))
        except SpecError as error:
            added.append(loaded.mistake("", error.message))
    return [*troubles, *mistakes, *_without([*troubles, *mistakes], added)]


def _without(known: Sequence[Mistake], more: Iterable[Mistake]) -> list[Mistake]:
    """Those of ``more`` that are not about a value (or something inside it) already known to be wrong."""
    bad = {m.path for m in known if m.path}
    return [m for m in more if not any(path in bad for path in _with_ancestors(m.path))]


def _with_ancestors(path: str) -> Iterator[str]:
    """A dotted path and what holds it, innermost first."""
    parts = path.split(".", _MOST_PARTS)
    if path:
        yield path
    for count in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:count])


def _origins(spec: Spec, places: Mapping[str, Place], tree: Mapping[str, Value]) -> dict[str, str]:
    overridden = {
        ancestor for p, place in places.items() if place.origin == "override" for ancestor in _with_ancestors(p)
    }
    origins: dict[str, str] = {}
    for path, info in fields().items():
        if section_of(info.annotation) is not None and _value_at(spec, path) is not None:
            continue
        section, _, key = path.rpartition(".")
        # `optimizer: sgd` is a text for the section's name.
        by_name = key == "name" and isinstance(_written(tree, section), str)
        written = _written(tree, section if by_name else path)
        inner = written if path in FREE_MAPPINGS and isinstance(written, dict) else {}
        for one in (path, *(f"{path}.{key}" for key in inner)):
            given = "override" if one in overridden else _of_document(places, one)
            origins[one] = "default" if written is _ABSENT else given
    return origins


def _of_document(places: Mapping[str, Place], path: str) -> str:
    """``given``, or the line of the document that says it."""
    place = places.get(path)
    return f"document, line {place.line}" if place is not None and place.origin == "document" else "given"


class _Absent:
    """Nothing was written; null was not either."""


_ABSENT = _Absent()


def _written(tree: Mapping[str, Value], path: str) -> object:
    node: object = tree
    for part in path.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return _ABSENT
        node = node[part]
    return node


def _value_at(spec: Spec, path: str) -> object:
    node: object = spec
    for part in path.split("."):
        node = getattr(node, part, None)
    return node
