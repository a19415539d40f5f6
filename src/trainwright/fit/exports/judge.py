"""What can be said of a spec's exports before anything is read: formats that the model's engine cannot have."""

from typing import cast

from trainwright.core import registry
from trainwright.core.errors import SpecError
from trainwright.fit.formats.contract import Format
from trainwright.fit.plan import family_of, load_family
from trainwright.spec.load import LoadedSpec, Mistake


def judge_exports(loaded: LoadedSpec) -> list[Mistake]:
    """Formats under ``export:`` that hold no models of this spec's engine. ``auto`` may become any engine."""
    wanted = [(number, name) for number, name in enumerate(loaded.spec.export) if name in registry.names("exports")]
    if not wanted or loaded.spec.architecture.model_type == "auto":
        return []
    try:
        family, *_ = family_of(loaded.spec)
        engine = load_family(family).ENGINES[0]
    except SpecError:  # `judge_model` says it
        return []
    possible = [name for name in registry.names("exports") if engine in _format(name).engines()]
    return [
        loaded.mistake(
            f"export.{number}",
            f"{name} holds no models of {engine}, which trains {family}",
            f"Possible here: {', '.join(('native', *possible))}",
            code="unavailable",
        )
        for number, name in wanted
        if name not in possible
    ]


def _format(name: str) -> Format:
    return cast(Format, registry.load("exports", name))
