"""From a delivered model to a proved export: write, prove, keep or remove; and what is written down of it."""

import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from trainwright.core import registry
from trainwright.core.errors import CannotExport, ResourceMissing, VerificationFailed
from trainwright.core.findings import Finding, Severity
from trainwright.core.jsonable import JsonValue
from trainwright.core.packages import first_line
from trainwright.fit.artifact import Scorer
from trainwright.fit.exports import loader
from trainwright.fit.exports.golden import Golden
from trainwright.fit.exports.proof import LIMIT_S, Proof, allowed_difference, golden_arrays, prove
from trainwright.fit.formats.contract import Delivered, Format, Member, Tolerance, Written, inputs_json
from trainwright.run.files import read_json, whole_folder, write_json
from trainwright.run.hashes import seal, sha256_file

if TYPE_CHECKING:
    from trainwright.data.dataset import Target

PARITY = "parity.json"
_FORMAT = 1
_CODES = {"failed": "export.parity", "refused": "export.refused", "missing": "export.runtime"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of one format. ``entry`` is what ``parity.json`` holds of it; its ``status`` is ``passed``,
    ``failed``, ``refused`` or ``missing`` (a package)."""

    name: str
    entry: Mapping[str, JsonValue]
    findings: tuple[Finding, ...]

    @property
    def status(self) -> str:
        """How it ended."""
        return str(self.entry["status"])


def delivered_model(
    native: Path, scorer: Scorer, golden: Golden, target: "Target", missing: Sequence[str]
) -> Delivered:
    """The delivered model as formats take it; ``missing`` are the texts that meant missing in its data."""
    facts = read_json(native / "scorer.json")
    members = tuple(
        Member(features=features, model=native / f"member-{number}" / "model", rows=golden.matrices[number])
        for number, (features, _) in enumerate(scorer.members)
    )
    return Delivered(
        engine=str(facts["engine"]),
        task=target.task.value,
        classes=target.classes,
        members=members,
        holds_code=bool(facts.get("code")),
        missing=tuple(missing),
    )


class Prover(Protocol):
    """What proves an export: `prove`, or in tests something that costs no process."""

    def __call__(
        self, folder: Path, runtime: Sequence[str], golden: Golden, tolerance: Tolerance, *, limit_s: float
    ) -> Proof:
        """See `trainwright.fit.exports.proof.prove`."""
        ...


def make_export(
    name: str, model: Delivered, golden: Golden, target: Path, *, limit_s: float = LIMIT_S, prover: Prover = prove
) -> Made:
    """Write an export and prove it, and put it in the place of what ``target`` held.

    An export that cannot be, or that fails its proof, takes what is there with it. A missing package says nothing of
    the model, so what is there stays.
    """
    chosen = cast(Format, registry.load("exports", name))
    try:
        entry = _proved(name, chosen, model, golden, target, limit_s, prover)
    except CannotExport as error:
        entry = {"status": "refused", "why": error.message}
    except ResourceMissing as error:
        entry = {"status": "missing", "why": error.message}
    except VerificationFailed as error:
        entry = {"status": "failed", "why": error.message}
    except Exception as error:  # noqa: BLE001 - a converter fails in any way, and that costs its format alone
        entry = {"status": "failed", "why": f"it could not be written: {type(error).__name__}: {first_line(error)}"}
    if entry["status"] not in ("passed", "missing"):
        shutil.rmtree(target, ignore_errors=True)
    return Made(name=name, entry=entry, findings=tuple(_findings(name, entry)))


def write_parity(path: Path, digest: str, made: Mapping[str, Mapping[str, JsonValue]]) -> None:
    """Write ``parity.json``: the digest of the native model, and every format by name."""
    write_json(path, {"format": _FORMAT, "model": digest, "exports": {name: dict(made[name]) for name in sorted(made)}})


def _proved(
    name: str, chosen: Format, model: Delivered, golden: Golden, target: Path, limit_s: float, prover: Prover
) -> dict[str, JsonValue]:
    with tempfile.TemporaryDirectory(prefix="trainwright-export-") as scratch:
        fresh = Path(scratch) / name
        fresh.mkdir()
        written = chosen.write(model, fresh)
        _complete(fresh, name, chosen, written, model, golden)
        proof = prover(fresh, written.runtime, golden, written.tolerance, limit_s=limit_s)
        entry = _entry(chosen, written, golden, proof)
        if proof.passed:
            with whole_folder(target) as place:
                shutil.copytree(fresh, place, dirs_exist_ok=True)
                digest = seal(place)
            size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file() and p.name != "golden.npz")
            entry |= {"sha256": digest, "bytes": size}
        return entry


def _complete(folder: Path, name: str, chosen: Format, written: Written, model: Delivered, golden: Golden) -> None:
    """Add what makes an export complete: how it is loaded, golden rows, and the features where they are not inside."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **golden_arrays(written.inputs, golden))  # type: ignore[arg-type]  # numpy's stub
    (folder / "golden.npz").write_bytes(buffer.getvalue())
    own = getattr(chosen, "LOADER", None)
    shutil.copyfile(Path(own or loader.__file__), folder / "loader.py")
    if written.features == "beside":
        for number, member in enumerate(model.members):
            beside = folder / "features" / f"member-{number}"
            beside.mkdir(parents=True)
            member.features.save(beside)
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in ("golden.npz", "loader.py"))
    facts: dict[str, JsonValue] = {
        "format": name,
        "summary": chosen.SUMMARY,
        "safe": chosen.SAFE,
        "file": written.file,
        "files": {p.relative_to(folder).as_posix(): sha256_file(p) for p in files},
        "inputs": inputs_json(written.inputs),
        "features": written.features,
        "classes": list(model.classes),
        "missing": list(model.missing),
        "task": model.task,
        "runtime": list(written.runtime),
        "allowed": allowed_difference(written.tolerance, golden),
        "about": dict(written.about),
        "notes": list(written.notes),
    }
    write_json(folder / "export.json", facts)


def _entry(chosen: Format, written: Written, golden: Golden, proof: Proof) -> dict[str, JsonValue]:
    """What ``parity.json`` says of a format that could be written and run."""
    kinds: dict[str, int] = {}
    for kind in golden.kinds:
        kinds[kind.split(":")[0]] = kinds.get(kind.split(":")[0], 0) + 1
    at: JsonValue = None if proof.at is None else {"row": int(golden.ids[proof.at]), "kind": golden.kinds[proof.at]}
    tolerance = written.tolerance
    return {
        "status": "passed" if proof.passed else "failed",
        "why": proof.why,
        "largest_difference": proof.largest,
        "largest_at": at,
        "labels_differ": proof.labels_differ,
        "tolerance": {"allowed": allowed_difference(tolerance, golden), "share": tolerance.share, "why": tolerance.why},
        "rows": {"together": len(golden.kinds), "alone": proof.rows_alone, "kinds": dict(kinds)},
        "runtime": proof.said.get("runtime"),
        "python": proof.said.get("python"),
        "modules": list(proof.modules),
        "latency": proof.said.get("latency"),
        "safe": chosen.SAFE,
        "features": written.features,
        "notes": list(written.notes),
    }


def _findings(name: str, entry: Mapping[str, JsonValue]) -> list[Finding]:
    status = str(entry["status"])
    if status != "passed":
        fixes = {
            "failed": "Use model/native; please report this with the spec",
            "refused": "Remove it from export, or use model/native",
            "missing": f"Install it, then run `trainwright export RUN --to {name}`",
        }
        return [
            Finding(
                code=_CODES[status],
                severity=Severity.WARNING,
                where=f"export: {name}",
                what=str(entry["why"]),
                why="no export is delivered that was not proved to predict the same" if status == "failed" else "",
                fix=fixes[status],
                evidence={k: entry[k] for k in ("largest_difference", "largest_at", "tolerance") if k in entry},
            )
        ]
    found = []
    if not entry["safe"]:
        found.append(
            Finding(
                code="export.unsafe",
                severity=Severity.WARNING,
                where=f"export: {name}",
                what="loading this file runs code that it holds",
                why="whoever can change the file decides what runs",
                fix="Load it only where you trust whoever could write it; onnx and native hold no code",
            )
        )
    notes = entry["notes"]
    assert isinstance(notes, list)
    found += [
        Finding(code="export.note", severity=Severity.INFO, where=f"export: {name}", what=str(note)) for note in notes
    ]
    return found
