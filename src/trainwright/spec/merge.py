"""The document's values under the spec's: what the spec says wins, and each disagreement is told."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from trainwright.core.findings import Finding, Severity
from trainwright.spec.document import ARTIFACT, Advice, Said
from trainwright.spec.mistakes import Mistake, Place, shown
from trainwright.spec.models import Spec
from trainwright.spec.syntax import Unreadable
from trainwright.spec.tree import Value, read_document

_MODEL = "architecture.model_type"
_PARAMETERS = "architecture.architecture_spec"
_SPACE = "hyperparameter_search.search_space"
_OF_THE_MODEL = (_PARAMETERS, _SPACE, "training.framework")
_USUAL_BASELINES = {"language": ("dummy", "ngram")}
# `search_space: "[From Agent 24]"` is how the form itself says that the document has it.
_REFERS = re.compile(
    r"\s*\[?\s*((from|see|as in|per)\s+(the\s+)?)?(document|artifact|architect|agent[ -]?24)\b[^\]]{0,80}\]?\s*", re.I
)


@dataclass(slots=True)
class Merged:
    """What came of a merge beside the tree: findings, mistakes, and the paths left to the document."""

    findings: list[Finding] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)


def read_texts(tree: dict[str, Value], places: dict[str, Place], *, has_document: bool) -> Iterator[Mistake]:
    """Mappings that the spec gives as a text: YAML within quotes, or a word that leaves them to the document."""
    for path in (_PARAMETERS, _SPACE):
        section, _, key = path.rpartition(".")
        holder = tree.get(section)
        value = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            value = f"[{value[0]}]"
        if not isinstance(holder, dict) or not isinstance(value, str):
            continue
        if _REFERS.fullmatch(value):
            del holder[key]
            if not has_document:
                what, fix = f"{shown(value)} names a document, and there is none", f"Write {ARTIFACT}, or the mapping"
                yield Mistake(path=path, what=what, fix=fix, place=places.get(path, Place("spec")), code="missing")
        elif (read := _mapping(value)) is not None:
            holder[key] = read


def _mapping(text: str) -> dict[str, Value] | None:
    for spelled in (text, f"{{{text}}}"):
        try:
            document = read_document(spelled)
        except Unreadable:
            continue
        if document is None or not isinstance(document.value, dict) or document.troubles:
            continue
        if all(value is not None for value in document.value.values()):  # `{a b c}` is a key without a value
            return document.value
    return None


def merge(tree: dict[str, Value], places: dict[str, Place], advice: Advice) -> Merged:
    """Put what the spec does not say into the tree; findings for the rest."""
    merged = Merged(findings=list(advice.findings), mistakes=list(advice.mistakes))
    said = dict(advice.said)
    _leave_out_other_models(tree, said, merged)
    _settle_fixed_and_searched(tree, said, merged)
    for path, one in said.items():
        written, found = _written(tree, path)
        if not found:
            if path in advice.repeated:
                merged.mistakes.append(advice.repeated[path])
            _insert(tree, places, one)
        elif not _same(path, written, one.value):
            merged.findings.append(_disagreement(one, written))
    return merged


def _leave_out_other_models(tree: Mapping[str, Value], said: dict[str, Said], merged: Merged) -> None:
    """Parameters of the document's model mean nothing to the one that the spec names instead."""
    own, found = _written(tree, _MODEL)
    theirs = said.get(_MODEL)
    if not found or theirs is None or _same(_MODEL, own, theirs.value):
        return
    left = [path for path in said if path.startswith(tuple(f"{p}." for p in _OF_THE_MODEL)) or path in _OF_THE_MODEL]
    for path in left:
        del said[path]
    if left:
        merged.findings.append(
            Finding(
                code="document.other_model",
                severity=Severity.WARNING,
                where=_MODEL,
                what=f"{len(left)} values of the document are about {shown(theirs.value)}, and were left out",
                why=f"The spec says {shown(own)}, and wins.",
                fix="Write parameters and search space of this model into the spec",
                evidence={"left_out": left},
            )
        )


def _settle_fixed_and_searched(tree: Mapping[str, Value], said: dict[str, Said], merged: Merged) -> None:
    """A parameter is fixed or searched. The spec settles it; within the document the range does."""
    own_section, has_section = _written(tree, "hyperparameter_search")
    searches = (has_section and isinstance(own_section, dict)) or (
        not has_section and any(path.startswith("hyperparameter_search.") for path in said)
    )
    if not searches:
        return
    for name in _names(tree, said, _PARAMETERS) & _names(tree, said, _SPACE):
        fixed, searched = f"{_PARAMETERS}.{name}", f"{_SPACE}.{name}"
        fixed_by_spec, searched_by_spec = _written(tree, fixed)[1], _written(tree, searched)[1]
        if fixed_by_spec and searched_by_spec:
            continue  # a mistake of the spec alone, told by its rules
        lost = said.pop(searched if fixed_by_spec else fixed, None)
        if lost is None:
            continue
        stays = "fixed by the spec" if fixed_by_spec else "searched"
        merged.findings.append(
            Finding(
                code="document.fixed_or_searched",
                severity=Severity.WARNING if fixed_by_spec or searched_by_spec else Severity.INFO,
                where=lost.path,
                what=f"{name} is {stays}, so {shown(lost.value)} ({lost.place.where}) was left out",
                why="A parameter is either fixed or searched.",
            )
        )


def _names(tree: Mapping[str, Value], said: Mapping[str, Said], section: str) -> set[str]:
    own = _written(tree, section)[0]
    names = set(own) if isinstance(own, dict) else set()
    return names | {path[len(section) + 1 :] for path in said if path.startswith(f"{section}.")}


def _written(tree: Mapping[str, Value], path: str) -> tuple[Value, bool]:
    """What the spec says at a path, or at what holds it (``null``, a text); and whether it says anything."""
    node: Value = dict(tree)
    parts = _parts(path)
    for part in parts:
        if not isinstance(node, dict):
            return node, True
        if part not in node:
            return None, False
        node = node[part]
    return node, True


def _parts(path: str) -> list[str]:
    """The keys of a path; the names of parameters may have dots in them."""
    for section in (_PARAMETERS, _SPACE):
        if path.startswith(f"{section}."):
            return [*section.split("."), path[len(section) + 1 :]]
    return path.split(".")


def _insert(tree: dict[str, Value], places: dict[str, Place], said: Said) -> None:
    node = tree
    parts = _parts(said.path)
    for part in parts[:-1]:
        inner = node.setdefault(part, {})
        assert isinstance(inner, dict)  # `_written` found nothing in the way
        node = inner
    value = said.value
    if said.path == "baselines" and isinstance(value, list):
        task = tree.get("task")
        usual = _USUAL_BASELINES.get(task.lower() if isinstance(task, str) else "", ("dummy", "linear"))
        value = [*value, *(name for name in usual if name not in value)]
    node[parts[-1]] = value
    places[said.path] = said.place
    places.update({f"{said.path}.{inner}": place for inner, place in said.places.items()})


def _same(path: str, own: Value, theirs: Value) -> bool:
    """Whether two values mean the same in the spec's language: ``2h`` and ``120m`` do."""
    if own == theirs or _folded(own) == _folded(theirs):
        return True
    if path == "baselines" and isinstance(own, list) and isinstance(theirs, list):
        return set(map(str, own)) == set(map(str, theirs))
    return (meant := _meaning(path, own)) is not None and meant == _meaning(path, theirs)


def _folded(value: Value) -> Value:
    return re.sub(r"[\s-]+", "_", value.strip().lower()) if isinstance(value, str) else value


def _meaning(path: str, value: Value) -> object:
    """The value as the models read it; None where they do not."""
    nested: Value = value
    parts = _parts(path)
    for part in reversed(parts):
        nested = {part: nested}
    try:
        node: object = Spec.model_validate(nested)
    except ValidationError:
        return None
    for part in parts:
        node = node.get(part) if isinstance(node, dict) else getattr(node, part, None)
    return node


def _disagreement(said: Said, written: Value) -> Finding:
    return Finding(
        code="document.disagrees",
        severity=Severity.WARNING,
        where=said.path,
        what=f"the spec says {shown(written)}, the document {shown(said.value)} ({said.place.where})",
        why="The spec wins.",
        fix="Make the two agree",
        evidence={"document": said.place.where},
    )
