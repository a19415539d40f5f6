"""`trainwright init`: from a look at the data to a spec a person would have written."""

from pathlib import Path

from trainwright.core.errors import ResourceMissing
from trainwright.run.files import write_text
from trainwright.spec.models import Data, Split
from trainwright.spec.write import SpecDraft, write_spec
from trainwright.stages.reports import InitResult

_DRAFT_SEED = 42


def draft_spec(data: Path, *, target: str, out: Path | None, force: bool) -> InitResult:
    """Load the data with defaults, take the checks' advice, and write it down.

    Raises:
        DataRefused: the data or the target cannot be used.
        ResourceMissing: the spec file is there already.
    """
    from trainwright.checks.advise import advise
    from trainwright.data.prepare import load_dataset

    path = out or Path(f"{data.name.split('.')[0]}.yaml")
    if path.exists() and not force:
        raise ResourceMissing(f"{path} exists. Name another file with -o, or write over it with --force.")
    dataset = load_dataset(
        Data(train_path=str(data.resolve()), target=target, split=Split(strategy="random")),
        task="auto",
        seed=_DRAFT_SEED,
        base=Path.cwd(),
    )
    advice = advise(dataset)
    draft = SpecDraft(
        name=path.stem,
        train_path=_path_from(data, path),
        target=target,
        task=dataset.target.task.value,
        ignore=advice.ignore,
        group=advice.group,
        time=advice.time,
        split={"strategy": advice.split.value, "why": advice.split.why},
        model_type="auto",
        metric=advice.metric.value,
        notes=advice.notes,
    )
    text = write_spec(draft)
    write_text(path, text)
    return InitResult(path=path, text=text, findings=dataset.findings)


def _path_from(data: Path, spec: Path) -> str:
    """The data's path as the spec writes it: relative where the data lies beside or below the spec, else absolute."""
    folder = spec.resolve().parent
    resolved = data.resolve()
    return resolved.relative_to(folder).as_posix() if resolved.is_relative_to(folder) else resolved.as_posix()
