"""`trainwright init`: from a look at the data to a spec a person would have written."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.code_files import is_code
from trainwright.core.errors import ResourceMissing, SpecError
from trainwright.core.image_files import holds_images
from trainwright.run.files import write_text
from trainwright.spec.models import Data, Split
from trainwright.spec.write import SpecDraft, write_spec
from trainwright.stages.reports import InitResult

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset

_DRAFT_SEED = 42


def draft_spec(data: Path, *, target: str | None, out: Path | None, force: bool) -> InitResult:
    """Load the data with defaults, take the checks' advice, and write it down.

    Images need no target named: it is the ``label`` that their folders give.

    Raises:
        DataRefused: the data or the target cannot be used.
        SpecError: a table without a target.
        ResourceMissing: the spec file is there already.
    """
    from trainwright.data.images import LABEL, parts_of

    if is_code(str(data)):
        raise SpecError(
            f"{data} is Python code, and init looks at files. Write a spec by hand: examples/own_data.yaml is one."
        )
    path = out or Path(f"{data.name.split('.')[0]}.yaml")
    if path.exists() and not force:
        raise ResourceMissing(f"{path} exists. Name another file with -o, or write over it with --force.")
    images = holds_images(data)
    if target is None and not images:
        raise SpecError("a target is required: the name of the column to predict. Add --target COLUMN.")
    places = parts_of(data) if images else {"train": data}
    wanted = target or LABEL
    dataset = _load(places, wanted)
    draft = _draft(dataset, name=path.stem, target=wanted, paths={p: _path_from(at, path) for p, at in places.items()})
    text = write_spec(draft)
    write_text(path, text)
    return InitResult(path=path, text=text, findings=dataset.findings)


def _load(places: Mapping[str, Path], target: str) -> "Dataset":
    from trainwright.data.prepare import load_dataset

    paths = {f"{part}_path": str(place.resolve()) for part, place in places.items()}
    split = None if "val" in places else {"strategy": "random", **({"test": 0.0} if "test" in places else {})}
    data = Data(**paths, target=target, split=None if split is None else Split.model_validate(split))
    return load_dataset(data, task="auto", seed=_DRAFT_SEED, base=Path.cwd())


def _draft(dataset: "Dataset", *, name: str, target: str, paths: Mapping[str, str]) -> SpecDraft:
    from trainwright.checks.advise import advise
    from trainwright.data.dataset import Kind

    advice = advise(dataset)
    images = any(column.kind is Kind.IMAGE for column in dataset.schema.features)
    network = images and importlib.util.find_spec("torch") is not None
    return SpecDraft(
        name=name,
        train_path=paths["train"],
        val_path=paths.get("val"),
        test_path=paths.get("test"),
        target=target,
        task=dataset.target.task.value,
        ignore=() if images else advice.ignore,
        group=advice.group,
        time=advice.time,
        split={} if "val" in paths else {"strategy": advice.split.value, "why": advice.split.why},
        model_type="cnn" if network else "auto",
        metric=advice.metric.value,
        notes=advice.notes,
    )


def _path_from(data: Path, spec: Path) -> str:
    """The data's path as the spec writes it: relative where the data lies beside or below the spec, else absolute."""
    folder = spec.resolve().parent
    resolved = data.resolve()
    return resolved.relative_to(folder).as_posix() if resolved.is_relative_to(folder) else resolved.as_posix()
