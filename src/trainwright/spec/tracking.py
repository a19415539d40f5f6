"""The key ``tracking``: names of trackers, or names with their options."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import BaseModel, ValidationError, WithJsonSchema

from trainwright.core import registry
from trainwright.core.secrets import holds_secret
from trainwright.spec.mistakes import Mistake, nearest, shown
from trainwright.spec.section import lower, validated_by

if TYPE_CHECKING:
    from trainwright.spec.load import LoadedSpec

RECORD = "jsonl"
"""The run's own log. It is always kept; naming it changes nothing."""

_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}, "description": "names: [mlflow]"},
        {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "object"}, {"type": "null"}]},
            "description": "names with options: {mlflow: {uri: ...}}",
        },
    ]
}


def _read(value: object) -> object:
    """``[mlflow]`` and ``{mlflow: null}`` for ``{mlflow: {}}``; names in any case."""
    if isinstance(value, str):
        # pydantic collects ValueError only
        raise ValueError(f"a list or a mapping is needed. Write tracking: [{value}]")  # noqa: TRY004
    if isinstance(value, list | tuple):
        if wrong := [name for name in value if not isinstance(name, str)]:
            raise ValueError(f"a list of names is needed, got {shown(wrong[0])}; options make it a mapping")
        named = [str(lower(name)) for name in value]
        if twice := [name for name in named if named.count(name) > 1]:
            raise ValueError(f"{shown(twice[0])} is there twice")
        return {name: {} for name in named}
    if isinstance(value, Mapping):
        return {str(lower(name)): {} if options is None else options for name, options in value.items()}
    raise ValueError(f"a list or a mapping is needed, got {shown(value)}")


Trackers: TypeAlias = Annotated[Mapping[str, Mapping[str, object]], validated_by(_read), WithJsonSchema(_SCHEMA)]


def trackers(loaded: "LoadedSpec") -> Iterator[Mistake]:
    """Names that are trackers, with options they have; no passwords in addresses."""
    known = tuple(sorted({*registry.names("trackers"), RECORD}))
    for number, (name, options) in enumerate(loaded.spec.tracking.items()):
        path = _written(loaded, name, number)
        if name not in known:
            near = nearest(name, known)
            fix = f"{f'Did you mean {near}? ' if near else ''}Known: {', '.join(known)}"
            yield loaded.mistake(path, f"unknown tracker {shown(name)}", fix, code="choice")
        elif name == RECORD:
            yield from (_unknown(loaded, path, key, ()) for key in options)
        else:
            yield from _options(loaded, path, registry.load("trackers", name).Params, options)


def _written(loaded: "LoadedSpec", name: str, number: int) -> str:
    """The path of a tracker as the spec wrote it: in a list by number, in a mapping by its name in any case."""
    written = [path for path in loaded.places if path.lower() in (f"tracking.{name}", f"tracking.{number}")]
    return written[0] if written else f"tracking.{name}"


def _options(
    loaded: "LoadedSpec", path: str, params: type[BaseModel], options: Mapping[str, object]
) -> Iterator[Mistake]:
    from trainwright.spec.explain import explain

    try:
        params.model_validate(options)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            inner, what, fix, code = explain(detail)
            if code == "unknown_key":
                yield _unknown(
                    loaded, path, inner, tuple(info.alias or field for field, info in params.model_fields.items())
                )
            else:
                yield loaded.mistake(f"{path}.{inner}", what, fix, code=code)
    for key, value in options.items():
        if isinstance(value, str) and holds_secret(value):
            what = "this address holds a password, and a spec is copied into every run folder"
            fix = "Leave it out here, and give it in the environment; docs/tracking.md names the variables"
            yield loaded.mistake(f"{path}.{key}", what, fix, code="secret")


def _unknown(loaded: "LoadedSpec", path: str, key: str, known: tuple[str, ...]) -> Mistake:
    near = nearest(key, known)
    fix = f"Did you mean {near}?" if near else f"Known here: {', '.join(known)}" if known else "Remove it"
    return loaded.mistake(f"{path}.{key}", f"unknown option {shown(key)}", fix, code="unknown_key")
