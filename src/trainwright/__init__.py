"""Trainwright: spec in, trustworthy trained model out.

The functions below are the commands of the same name; each is imported when it is first used, so that
``import trainwright`` stays light. Three carry a verb, because ``trainwright.report``, ``trainwright.families`` and
``trainwright.engines`` are packages: `write_report`, `list_families`, `list_engines`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainwright.pipeline import (
        check,
        check_gradients,
        compare,
        diagnose,
        export,
        init,
        open_model,
        predict,
        resume,
        runs,
        schema,
        search_worker,
        train,
        verify,
    )
    from trainwright.pipeline import engines as list_engines
    from trainwright.pipeline import families as list_families
    from trainwright.pipeline import report as write_report

__version__ = "0.1.0"

_RENAMED = {"write_report": "report", "list_families": "families", "list_engines": "engines"}

__all__ = [
    "__version__",
    "check",
    "check_gradients",
    "compare",
    "diagnose",
    "export",
    "init",
    "list_engines",
    "list_families",
    "open_model",
    "predict",
    "resume",
    "runs",
    "schema",
    "search_worker",
    "train",
    "verify",
    "write_report",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'trainwright' has no attribute {name!r}")
    from trainwright import pipeline

    return getattr(pipeline, _RENAMED.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
