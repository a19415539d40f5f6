"""The spec that `trainwright init` writes: short, commented, as a person would have written it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trainwright.spec.emit import inline
from trainwright.spec.scalars import write

_KINDS = ("numeric", "categorical", "boolean", "datetime", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecDraft:
    """What a look at the data suggests.

    ``ignore`` lists (column, why); ``group`` and ``time`` are one such pair. ``split`` has ``val``, ``test``,
    ``strategy``, ``column`` and ``why``, each optional. ``kinds`` maps numeric, categorical, boolean, datetime and
    text to columns whose inferred kind is wrong. ``notes`` become comments at the top.
    """

    name: str
    train_path: str
    target: str
    val_path: str | None = None
    test_path: str | None = None
    task: str = "auto"
    ignore: tuple[tuple[str, str], ...] = ()
    group: tuple[str, str] | None = None
    time: tuple[str, str] | None = None
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: Mapping[str, object] = field(default_factory=dict)
    model_type: str = "auto"
    metric: str = "auto"
    # 10 minutes: assumption, long enough for a first result on a laptop, short enough to wait for
    time_budget: str | None = "10m"
    notes: tuple[str, ...] = ()


def write_spec(values: SpecDraft) -> str:
    """The draft as commented YAML that loads without mistakes."""
    from trainwright.spec.source import slug

    head = ["# Written by `trainwright init`. Change what you know better; `trainwright check` says whether it holds."]
    head += [f"# Note: {line}" for note in values.notes if (line := _one_line(note))]
    top = [f"name: {write(slug(values.name))}", "seed: 42"]
    if values.task != "auto":
        top.append(_commented(f"task: {write(values.task)}", "inferred from the target"))
    sections = [head, top, _data(values), _architecture(values), _training(values)]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _data(values: SpecDraft) -> list[str]:
    paths = {"train_path": values.train_path, "val_path": values.val_path, "test_path": values.test_path}
    lines = ["data:", *(f"  {key}: {write(path)}" for key, path in paths.items() if path is not None)]
    lines.append(f"  target: {write(values.target)}")
    return [*lines, *_split(values), *_columns(values)]


def _split(values: SpecDraft) -> list[str]:
    strategy = str(values.split.get("strategy") or "auto")
    wanted: dict[str, object] = {key: _fraction(values.split.get(key)) for key in ("val", "test")}
    wanted = {key: value for key, value in wanted.items() if value is not None}
    if strategy != "auto":
        wanted["strategy"] = strategy
    named = {"group": values.group, "time": values.time}.get(strategy)
    column = values.split.get("column")
    if column and named is None and strategy in ("group", "time"):
        wanted["column"] = str(column)
    return [_commented(f"  split: {inline(wanted)}", str(values.split.get("why") or ""))] if wanted else []


def _fraction(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _columns(values: SpecDraft) -> list[str]:
    from trainwright.spec.target import parse_target

    lines: list[str] = []
    taken = {parse_target(values.target).column, str(values.split.get("column") or "")}
    for key, pair in (("group", values.group), ("time", values.time)):
        if pair is not None and pair[0] not in taken - {values.split.get("column")}:
            lines.append(_commented(f"    {key}: {write(pair[0])}", pair[1]))
            taken.add(pair[0])
    dropped = {column: why for column, why in values.ignore if column not in taken}
    if dropped:
        lines.append(_commented("    ignore:", "columns the model must not see"))
        lines += [_commented(f"      - {write(column)}", why) for column, why in dropped.items()]
        taken |= set(dropped)
    for kind in _KINDS:
        listed = [c for c in dict.fromkeys(values.kinds.get(kind, ())) if c not in taken]
        taken |= set(listed)
        if listed:
            lines.append(f"    {kind}: {inline(listed)}")
    return ["  columns:", *lines] if lines else []


def _architecture(values: SpecDraft) -> list[str]:
    why = "the strongest family installed; `trainwright families` lists all" if values.model_type == "auto" else ""
    return ["architecture:", _commented(f"  model_type: {write(values.model_type)}", why)]


def _training(values: SpecDraft) -> list[str]:
    lines = ["training:"]
    lines.append(_commented(f"  metric: {write(values.metric)}", "decides, on validation rows"))
    if values.time_budget is not None:
        lines.append(_commented(f"  time_budget: {write(values.time_budget)}", "for the whole run, report included"))
    return lines


def _commented(line: str, why: str) -> str:
    note = _one_line(why)
    return f"{line}  # {note}" if note else line


def _one_line(text: str) -> str:
    """A comment cannot hold line breaks or characters that YAML does not allow."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
