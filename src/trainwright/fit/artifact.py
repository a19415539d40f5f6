"""The model as it is delivered: feature pipeline and native model(s) in one sealed folder, and back."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainwright.core import registry
from trainwright.core.errors import ArtifactRefused
from trainwright.core.plan import ModelPlan
from trainwright.engines.contract import Model
from trainwright.fit.driver import Fitted
from trainwright.run.files import read_json, whole_folder, write_json
from trainwright.run.hashes import seal, verify_sealed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from trainwright.data.features import Features

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A delivered model: canonical frames in, predictions out. Several members (folds) are averaged."""

    members: tuple[tuple["Features", Model], ...]

    def predict(self, frame: "pd.DataFrame") -> "np.ndarray":
        """Shape (rows, classes) of probabilities or (rows,) of values, float64."""
        import numpy as np

        predicted = [model.predict(features.transform(frame)) for features, model in self.members]
        mean: np.ndarray = np.mean(predicted, axis=0)
        return mean


def write_model(folder: Path, plan: ModelPlan, members: Sequence[tuple[Fitted, "Features"]]) -> str:
    """Write ``member-N/model`` and ``member-N/features`` whole, with hashes; returns the digest over all files."""
    with whole_folder(folder) as fresh:
        for number, (fitted, features) in enumerate(members):
            for name, write in (("model", fitted.export), ("features", features.save)):
                part = fresh / f"member-{number}" / name
                part.mkdir(parents=True)
                write(part)
        facts = {"format": FORMAT, "engine": plan.engine, "members": len(members), "code": plan.holds_code}
        write_json(fresh / "scorer.json", facts)
        return seal(fresh)


def load_scorer(folder: Path, *, trust_code: bool = False) -> Scorer:
    """Check every hash, then load.

    Raises:
        ArtifactRefused: the folder is damaged, incomplete, or of another format; or the model is Python code and
            ``trust_code`` is not set.
        ResourceMissing: the engine's package is not installed.
    """
    from trainwright.data.features import load_features

    verify_sealed(folder)
    facts = read_json(folder / "scorer.json")
    if facts.get("format") != FORMAT:
        raise ArtifactRefused(f"{folder} has model format {facts.get('format')}, this version reads {FORMAT}")
    engine = registry.load("engines", str(facts["engine"]))
    load = engine.load
    if facts.get("code"):
        if not trust_code:
            raise ArtifactRefused(
                f"the model in {folder} is Python code of whoever trained it, and is not run unasked. Read "
                "member-0/model/model.json in it, then allow it with --trust-code (API: trust_code=True)."
            )
        load = engine.load_code
    members = []
    for number in range(int(str(facts["members"]))):
        part = folder / f"member-{number}"
        members.append((load_features(part / "features"), cast(Model, load(part / "model"))))
    return Scorer(members=tuple(members))


def gather_members(folder: Path, plan: ModelPlan, sources: Sequence[Path]) -> str:
    """One delivered model out of several single ones (folds); returns the digest over all files."""
    with whole_folder(folder) as fresh:
        for number, source in enumerate(sources):
            verify_sealed(source)
            shutil.copytree(source / "member-0", fresh / f"member-{number}")
        facts = {"format": FORMAT, "engine": plan.engine, "members": len(sources), "code": plan.holds_code}
        write_json(fresh / "scorer.json", facts)
        return seal(fresh)
