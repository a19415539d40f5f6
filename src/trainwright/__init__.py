"""Trainwright: spec in, trustworthy trained model out.

The functions below are the commands of the same name; each is imported when it is first used, so that
``import trainwright`` stays light. Three carry a verb, because ``trainwright.report``, ``trainwright.families`` and
``trainwright.engines`` are packages: `write_report`, `list_families`, `list_engines`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainwright.pipeline import check as check
    from trainwright.pipeline import check_gradients as check_gradients
    from trainwright.pipeline import compare as compare
    from trainwright.pipeline import diagnose as diagnose
    from trainwright.pipeline import engines as list_engines
    from trainwright.pipeline import export as export
    from trainwright.pipeline import families as list_families
    from trainwright.pipeline import init as init
    from trainwright.pipeline import open_model as open_model
    from trainwright.pipeline import predict as predict
    from trainwright.pipeline import report as write_report
    from trainwright.pipeline import resume as resume
    from trainwright.pipeline import runs as runs
    from trainwright.pipeline import schema as schema
    from trainwright.pipeline import search_worker as search_worker
    from trainwright.pipeline import train as train
    from trainwright.pipeline import verify as verify

__version__ = "0.1.0"

_IN_PIPELINE = {"write_report": "report", "list_families": "families", "list_engines": "engines"} | {
    name: name
    for name in (
        "check",
        "check_gradients",
        "compare",
        "diagnose",
        "export",
        "init",
        "open_model",
        "predict",
        "resume",
        "runs",
        "schema",
        "search_worker",
        "train",
        "verify",
    )
}

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
    if name not in _IN_PIPELINE:
        raise AttributeError(f"module 'trainwright' has no attribute {name!r}")
    from trainwright import pipeline

    return getattr(pipeline, _IN_PIPELINE[name])


def __dir__() -> list[str]:
    return sorted(__all__)
