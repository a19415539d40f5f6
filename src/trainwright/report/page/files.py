"""The run's files with their hashes."""

from dataclasses import dataclass

from trainwright.report.artifacts import DOCUMENTS, role_of
from trainwright.report.facts import Facts
from trainwright.report.reading import mapping, optional_json, text
from trainwright.report.words import size
from trainwright.run.hashes import HASHES, sha256_file

_MOST = 300  # rows of the table; the hand-off's manifest has all
_CHANGING = ("run.json", "training_log.jsonl")  # the run goes on writing them after its documents


@dataclass(frozen=True, slots=True)
class Listed:
    """One file: path from the run folder, what it is, its size, its SHA-256; as words."""

    path: str
    description: str
    size: str
    sha256: str


def listed_files(facts: Facts) -> tuple[Listed, ...]:
    """Files that are final when the page is written.

    A sealed folder (model, checkpoints, baselines) tells its own hashes, so that large files are not read again.
    """
    final = [f for f in facts.files if f.path.split("/", 1)[0] not in DOCUMENTS][:_MOST]
    sealed = _sealed(facts)
    found = []
    for file in final:
        if file.path in _CHANGING:
            found.append(Listed(file.path, role_of(file.path)[1], "grows with the run", "changes until the run ends"))
            continue
        digest = sealed.get(file.path) or sha256_file(facts.run / file.path)
        found.append(Listed(file.path, role_of(file.path)[1], size(file.size), digest))
    return tuple(found)


def _sealed(facts: Facts) -> dict[str, str]:
    """Path to hash, as the folders' own lists have it."""
    found: dict[str, str] = {}
    for file in facts.files:
        folder, _, name = file.path.rpartition("/")
        if name == HASHES:
            stored = mapping(optional_json(facts.run / file.path).get("sha256"))
            found |= {f"{folder}/{path}": text(digest) for path, digest in stored.items()}
    return found
