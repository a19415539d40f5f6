"""The architect's document: Markdown for people, with fenced YAML or JSON blocks for machines.

A block says what the heading above it names: the architecture, the search space, baselines, the training. What it says
becomes values of the spec's own language, each with its line, so that they are judged like the spec itself. The
document is data from someone else: it names no code and no files, sets nothing about the machine, and lifts no check.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainwright.core.findings import Finding, Severity
from trainwright.spec import architect_words as words
from trainwright.spec.headings import Block, Heading, find_blocks
from trainwright.spec.mistakes import Mistake, Place, shown
from trainwright.spec.source import read_text_file
from trainwright.spec.syntax import Unreadable
from trainwright.spec.tree import MAX_NODES, Document, Value, read_document
from trainwright.spec.vocabulary import fields, section_of

ARTIFACT = "architecture.artifact"
_MOST_BLOCKS = 100  # fenced YAML or JSON blocks of a document (assumption: a person writes about ten)
_MOST_SAID = 5_000  # values of all blocks together (assumption: the language has about 150 keys)
_LANGUAGES = ("yaml", "yml", "json")
_FORM = """Write for example
  ## Architecture
  ```yaml
  model_type: lightgbm
  ```
  ## Hyperparameter Search Space
  ```yaml
  learning_rate: {low: 0.01, high: 0.3, log: true}
  ```
  and likewise Baselines and Training Strategy (docs/architect-document.md)"""
_FREE = ("architecture.architecture_spec", "hyperparameter_search.search_space")
# Sections of the spec that a block may name itself, under whatever heading; those with words of their own apart.
_SPEC_SECTIONS = ("data", "cross_validation", "baselines", "task")
_OWN_WORDS = {"architecture": "architecture", "training": "training", "hyperparameter_search": "search"}
_SPEC_ONLY = {
    "training.device": "the machine",
    "training.threads": "the machine",
    "training.distributed": "the machine",
    "training.num_workers": "the machine",
    "training.data_on": "the machine",
    "training.checkpoint_every": "the machine",
    "training.keep_checkpoints": "the machine",
    "hyperparameter_search.parallel": "the machine",
    "hyperparameter_search.deterministic": "the machine",
    "hyperparameter_search.storage": "the machine",
    "data.train_path": "the files",
    "data.val_path": "the files",
    "data.test_path": "the files",
    "data.feature_pipeline": "the files",
    "architecture.artifact": "the files",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One value of the document, at a dotted path of the spec; ``places`` are those of the value's own parts."""

    path: str
    value: Value
    place: Place
    places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(slots=True)
class Advice:
    """What a document says: the values by dotted path, what was not read, and what cannot stand."""

    label: str
    text: str
    said: dict[str, Said] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    repeated: dict[str, Mistake] = field(default_factory=dict)

    def unread(self, line: int, what: str, why: str = "", fix: str = "", *, warn: bool = True) -> None:
        """Take note of something that has no place in the spec."""
        severity = Severity.WARNING if warn else Severity.INFO
        where = f"{self.label}:{line}"
        self.findings.append(
            Finding(code="document.unread", severity=severity, where=where, what=what, why=why, fix=fix)
        )

    def say(self, said: Said) -> None:
        """Take a value; two different ones for one path are a mistake, unless the spec settles it."""
        first = self.said.get(said.path)
        if first is None:
            self.said[said.path] = said
        elif first.value != said.value:
            what = f"{shown(said.value)} here, {shown(first.value)} on line {first.place.line} of the document"
            fix = "Keep one of them, or say it in the spec, which wins"
            self.repeated[said.path] = Mistake(path=said.path, what=what, fix=fix, place=said.place, code="duplicate")


def read_advice(path: Path, label: str) -> Advice:
    """Read a document; ``label`` names it in messages.

    Raises:
        Unreadable: it cannot be read as text, or holds no block that can be used; the message shows the form.
    """
    text = read_text_file(path)
    advice = Advice(label=label, text=text)
    blocks, headings = find_blocks(text)
    titles = _titles(headings)
    usable = [block for block in blocks if block.language in _LANGUAGES]
    if len(usable) > _MOST_BLOCKS:
        line = usable[_MOST_BLOCKS].line
        raise Unreadable(line, 1, f"more than {_MOST_BLOCKS} blocks of YAML or JSON", "Shorten the document", "size")
    read = 0
    for block in usable:
        section = _section(block, titles)
        if section is None:
            where = f"under {shown(block.headings[0].title)}" if block.headings else "under no heading"
            advice.unread(block.line - 1, f"a block {where} was not read", "its heading names no part of the spec")
            continue
        read += 1
        _read_block(advice, block, section)
    if not read:
        raise Unreadable(0, 0, _without_blocks(blocks, usable), _FORM, "document")
    return advice


def _without_blocks(blocks: Sequence[Block], usable: Sequence[Block]) -> str:
    if usable:
        known = ", ".join(f"{one.headings[0].title if one.headings else 'no heading'!r:.60}" for one in usable[:5])
        return f"no block of YAML stands under a heading that is known; they stand under {known}"
    if blocks:
        named = ", ".join(sorted({one.language or "no language" for one in blocks})[:5])
        return f"no fenced block is marked yaml or json; there are {len(blocks)} of {named}"
    return "the document has no fenced yaml block"


def _titles(headings: Sequence[Heading]) -> frozenset[int]:
    """Lines of headings that name the document and not a part: the only one of the first level, where others do."""
    first = [one for one in headings if one.level == 1]
    if len(first) != 1 or not any(words.section_of_heading(one.title) for one in headings if one.level > 1):
        return frozenset()
    return frozenset({first[0].line})


def _section(block: Block, titles: frozenset[int]) -> str | None:
    for heading in block.headings:
        if heading.line in titles:
            continue
        if words.is_aside(heading.title):
            return None
        if (section := words.section_of_heading(heading.title)) is not None:
            return section
    return None


def _read_block(advice: Advice, block: Block, section: str) -> None:
    if not block.closed:
        place = _at(advice.label, block.line - 1, 1)
        advice.mistakes.append(
            Mistake(path="", what="the block that begins here is not closed", fix="End it with ```", place=place)
        )
        return
    try:
        document = read_document(block.text)
    except Unreadable as error:
        place = _at(advice.label, error.line + block.line - 1, error.column + block.indent)
        advice.mistakes.append(Mistake(path="", what=error.what, fix=error.fix, place=place, code=error.code))
        return
    if document is None:
        advice.unread(block.line, "an empty block", warn=False)
        return
    for trouble in document.troubles:
        place = _at(advice.label, trouble.line + block.line - 1, trouble.column + block.indent)
        advice.mistakes.append(Mistake(path="", what=trouble.what, fix=trouble.fix, place=place, code=trouble.code))
    reader = _Reader(advice, block, document)
    if len(advice.said) + len(document.places) > min(_MOST_SAID, MAX_NODES):
        place = _at(advice.label, block.line, 1)
        advice.mistakes.append(
            Mistake(path="", what=f"more than {_MOST_SAID} values", fix="Shorten the document", place=place)
        )
        return
    reader.take(section, document.value)


def _at(label: str, line: int, column: int) -> Place:
    return Place(f"{label}:{line}:{column}", "document", line=line, column=column)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the values of one block into paths of the spec."""

    advice: Advice
    block: Block
    document: Document

    def take(self, section: str, value: Value) -> None:
        if section == "baselines" and not _is_spec_form(value):
            self._baselines(value, "")
            return
        if not isinstance(value, dict):
            what = f"a mapping of keys is needed under this heading, got {shown(value)}"
            self.advice.mistakes.append(Mistake(path="", what=what, fix="Write key: value", place=self._place("")))
            return
        self._keys(section, value, "")

    def _keys(self, section: str, value: dict[str, Value], inner: str) -> None:
        for key, one in value.items():
            self._key(section, key, one, f"{inner}.{key}" if inner else key)

    def _key(self, section: str, key: str, value: Value, inner: str) -> None:
        name = words.spelled(key)
        if name in _OWN_WORDS and isinstance(value, dict):
            self._keys(_OWN_WORDS[name], value, inner)
        elif name in _SPEC_SECTIONS and (isinstance(value, dict) or name in ("baselines", "task")):
            self._at_path(name, value, inner)
        elif (path := words.path_of(section, name)) is not None:
            self._at_path(path, value, inner)
        elif name in words.PROSE or section == "training":
            self._unread(inner, f"{shown(key)} was not read: it has no place here", warn=name not in words.PROSE)
        elif section == "search":
            self._at_path(f"hyperparameter_search.search_space.{key}", value, inner)
        else:
            self._at_path(f"architecture.architecture_spec.{key}", value, inner)

    def _at_path(self, path: str, value: Value, inner: str) -> None:
        """Say a value at a path; the keys of a section each by itself."""
        if (about := _spec_only(path)) is not None:
            self._unread(inner, f"{path} was not read", f"only the spec says what is about {about}")
        elif path == "baselines":
            self._baselines(value, inner)
        elif path in _FREE and isinstance(value, dict):
            for key, one in value.items():
                self._at_path(f"{path}.{key}", one, f"{inner}.{key}")
        elif self._is_section(path) and isinstance(value, dict):
            for key, one in value.items():
                self._known(f"{path}.{words.spelled(key)}", one, f"{inner}.{key}")
        else:
            self._say(path, value, inner)

    def _known(self, path: str, value: Value, inner: str) -> None:
        if path in fields():
            self._at_path(path, value, inner)
        else:
            self._unread(inner, f"{path} was not read: the spec has no such key")

    def _say(self, path: str, value: Value, inner: str) -> None:
        place = self._place(inner)
        if path == "architecture.model_type" and isinstance(value, str):
            if words.is_code_name(value):
                what, fix = f"{shown(value)} is Python code", "Only the spec may name code; write it there"
                self.advice.mistakes.append(Mistake(path=path, what=what, fix=fix, place=place, code="code"))
                return
            value = words.family(value)
        elif path == "task" and isinstance(value, str):
            value = words.task(value)
            if value == "classification":
                self._unread(inner, "task: classification is binary or multiclass; the target says which", warn=False)
                return
        elif path.startswith("hyperparameter_search.search_space.") and isinstance(value, dict):
            value, dropped = words.dimension(value)
            for key in dropped:
                self._unread(f"{inner}.{key}", f"{shown(key)} was not read: it is no part of a range", warn=False)
        self.advice.say(Said(path, value, place, dict(self._places(inner))))

    def _baselines(self, value: Value, inner: str) -> None:
        named = list(_named(value, inner))
        names = tuple(dict.fromkeys(words.family(name) for name, _ in named))
        places = {str(number): self._place(at) for number, (_, at) in enumerate(named)}
        if not names:
            self._unread(inner, "no baseline is named here", fix="Write a list of families, such as [dummy, linear]")
            return
        self.advice.say(Said("baselines", list(names), self._place(inner), places))

    def _is_section(self, path: str) -> bool:
        info = fields().get(path)
        return info is not None and section_of(info.annotation) is not None

    def _unread(self, inner: str, what: str, why: str = "", fix: str = "", *, warn: bool = True) -> None:
        self.advice.unread(self._place(inner).line, what, why, fix, warn=warn)

    def _place(self, inner: str) -> Place:
        line, column = self.document.places.get(inner, (1, 1))
        return _at(self.advice.label, line + self.block.line - 1, column + self.block.indent)

    def _places(self, inner: str) -> Iterator[tuple[str, Place]]:
        for path in self.document.places:
            if path.startswith(f"{inner}."):
                yield path[len(inner) + 1 :], self._place(path)


def _is_spec_form(value: Value) -> bool:
    return isinstance(value, dict) and "baselines" in value


def _named(value: Value, inner: str) -> Iterator[tuple[str, str]]:
    """Names of models and where they stand, in a text, a list, or a mapping of names to remarks."""
    below = f"{inner}." if inner else ""
    if isinstance(value, str):
        yield value, inner
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _named(_name_in(one), f"{below}{number}")
    elif isinstance(value, dict) and (single := _name_in(value)) is not value:
        yield from _named(single, inner)
    elif isinstance(value, dict):
        for key in value:
            yield key, f"{below}{key}"


def _name_in(value: Value) -> Value:
    """``linear`` out of ``{name: linear, why: ...}``."""
    if isinstance(value, dict):
        return next((value[key] for key in ("model_type", "model", "family", "name") if key in value), value)
    return value


def _spec_only(path: str) -> str | None:
    return next((about for own, about in _SPEC_ONLY.items() if path == own or path.startswith(f"{own}.")), None)
