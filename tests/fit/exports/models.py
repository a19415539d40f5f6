"""Small trained models as exports take them, and a proof that costs no process."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.sparse

from trainwright.core import registry
from trainwright.core.jsonable import JsonValue
from trainwright.engines.testing import CLASSES, Case, make_job, trained
from trainwright.fit.exports import loader
from trainwright.fit.exports.golden import GIVEN, Golden
from trainwright.fit.exports.proof import Proof, compare
from trainwright.fit.formats.contract import Delivered, Member, Tolerance, Written

if TYPE_CHECKING:
    import onnx


class Rows:
    """Features that are given as a matrix: a graph cannot hold them, and there is nothing to store."""

    style = "array"

    def save(self, folder: Path) -> None:
        """Nothing to write."""


def delivered(
    case: Case,
    folder: Path,
    *,
    layout: str = "dense",
    params: Mapping[str, JsonValue] | None = None,
    counts: bool = False,
) -> tuple[Delivered, Golden]:
    """A model of a case, trained on a few rows, and validation rows it is proved on.

    ``params`` are set over the family's; with ``counts`` the target has no value below zero.
    """
    plan = replace(case.plan(), params={**case.plan().params, **(params or {})})
    job = make_job(case, folder / "work", plan=plan, layout=layout)  # type: ignore[arg-type]  # a literal
    if counts:
        job = replace(job, train=replace(job.train, y=np.abs(job.train.y)))
    with trained(job) as session:
        (folder / "model").mkdir()
        session.export(folder / "model")
    assert job.val is not None
    X = job.val.X.toarray() if scipy.sparse.issparse(job.val.X) else np.asarray(job.val.X)
    loaded = registry.load("engines", case.engine).load(folder / "model")
    rows = np.arange(len(X))
    golden = Golden(matrices=(X,), frame=None, ids=rows, kinds=(GIVEN,) * len(X), expected=loaded.predict(X))
    model = Delivered(
        engine=case.engine,
        task=case.task.value,
        classes=tuple(f"class {i}" for i in range(CLASSES[case.task])),
        members=(Member(features=Rows(), model=folder / "model", rows=X),),  # type: ignore[arg-type]  # enough here
        holds_code=False,
    )
    return model, golden


def prove_here(folder: Path, runtime: Sequence[str], golden: Golden, tolerance: Tolerance, *, limit_s: float) -> Proof:
    """The same loader and the same comparison as the proof, in this process."""
    for name in runtime:
        pytest.importorskip(name)
    with tempfile.TemporaryDirectory() as scratch:
        said = loader.check(folder, f"{scratch}/out.npz")
        with np.load(f"{scratch}/out.npz") as found:
            return compare(found["together"], found["alone"], golden, tolerance, said, ())


def spoil_graphs(
    monkeypatch: pytest.MonkeyPatch, attribute: str, spoil: "Callable[[onnx.AttributeProto], None]"
) -> None:
    """From now on the ONNX format writes graphs in which this attribute of every node that has it is spoiled."""
    import onnx

    from trainwright.fit.formats import onnx as format_onnx

    write = format_onnx.write

    def wrong(model: Delivered, folder: Path) -> Written:
        written = write(model, folder)
        graph = onnx.load(folder / written.file)
        for found in (one for node in graph.graph.node for one in node.attribute if one.name == attribute):
            spoil(found)
        onnx.save(graph, folder / written.file)
        return written

    monkeypatch.setattr(format_onnx, "write", wrong)
