"""What can be written where: sections, fields and the nearest known name, read off the models."""

import types
import typing
from functools import cache

from pydantic.fields import FieldInfo

from trainwright.spec.emit import inline
from trainwright.spec.mistakes import nearest, shown
from trainwright.spec.models import Spec
from trainwright.spec.section import Section

# Words of other tools and of people in a hurry -> where this language has them (assumption: the usual ones).
_ELSEWHERE = {
    "target_column": "data.target",
    "label": "data.target",
    "y": "data.target",
    "train": "data.train_path",
    "train_file": "data.train_path",
    "path": "data.train_path",
    "model": "architecture.model_type",
    "family": "architecture.model_type",
    "params": "architecture.architecture_spec",
    "hyperparameters": "architecture.architecture_spec",
    "learning_rate": "architecture.architecture_spec.learning_rate",
    "lr": "training.optimizer.lr",
    "schedule": "training.scheduler",
    "lr_scheduler": "training.scheduler",
    "gradient_clipping": "training.clip_norm",
    "grad_clip": "training.clip_norm",
    "gradient_accumulation": "training.accumulate",
    "mixed_precision": "training.precision",
    "amp": "training.precision",
    "random_state": "seed",
    "random_seed": "seed",
    "n_estimators": "training.rounds",
    "num_boost_round": "training.rounds",
    "max_time": "training.time_budget",
    "timeout": "training.time_budget",
    "n_jobs": "training.threads",
    "n_trials": "hyperparameter_search.budget",
    "search": "hyperparameter_search",
    "cv": "cross_validation",
}


def section_of(annotation: object) -> type[Section] | None:
    """The section a field holds, ``X`` or ``X | None``; None for other fields."""
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, Section)), None)


@cache
def fields() -> dict[str, FieldInfo]:
    """Every dotted path of the language, sections included, in the order of the models."""
    found: dict[str, FieldInfo] = {}

    def walk(section: type[Section], prefix: str) -> None:
        for name, info in section.model_fields.items():
            found[prefix + name] = info
            if (inner := section_of(info.annotation)) is not None:
                walk(inner, f"{prefix}{name}.")

    walk(Spec, "")
    return found


def known_in(section: str) -> tuple[str, ...]:
    """The keys of a section ("" for the first level)."""
    prefix = f"{section}." if section else ""
    return tuple(p[len(prefix) :] for p in fields() if p.startswith(prefix) and "." not in p[len(prefix) :])


def example(path: str) -> str:
    """A sentence with an example for a field: ``Write for example seed: 42``; empty where there is none."""
    info = fields().get(path)
    if info is None or not info.examples:
        return ""
    return f"Write for example `{path.rsplit('.', 1)[-1]}: {inline(info.examples[0])}`"


def place_unknown(path: str) -> tuple[str, str]:
    """What to say about a key that does not exist: the sentence, and where it belongs or the nearest name."""
    section, _, key = path.rpartition(".")
    known = known_in(section)
    where = f"in {section:.100}" if section else "on the first level"
    what = f"unknown key {shown(key)} {where}"
    if key in _ELSEWHERE:
        return what, f"Write it as {_ELSEWHERE[key]}"
    same = [p for p in fields() if p.rpartition(".")[2] == key]
    if same:
        return what, f"It belongs under {same[0].rpartition('.')[0] or 'the first level'}: {same[0]}"
    if near := nearest(key, known):
        return what, f"Did you mean {near}?"
    elsewhere = nearest(key, (p.rpartition(".")[2] for p in fields()))
    if elsewhere:
        full = next(p for p in fields() if p.rpartition(".")[2] == elsewhere)
        return what, f"Did you mean {full}?"
    return what, f"Known here: {', '.join(known)}"
