"""The engine of n-gram language models: counts of the training text, interpolated after Witten and Bell (1991).

``P(w | h) = (c(h w) + T(h) P(w | shorter h)) / (c(h) + T(h))``, where T(h) is the number of different tokens that were
seen after h; below the shortest history every token of the vocabulary is as likely as any other. Counting is one unit
of training, exact and without randomness. ``params``: ``order``, the length of the n-grams (1: tokens alone).

Histories are numbered along a tree: node 0 is the empty one, and the child of a node by a token is the history that is
longer by that token, further back. Each level is two sorted arrays, so counting and looking up are array operations.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from trainwright.core.errors import ArtifactRefused, DataRefused
from trainwright.core.jsonable import dumps
from trainwright.core.plan import ModelPlan
from trainwright.core.tasks import Task
from trainwright.engines._native_files import State, checked_bytes, file_hash, identity_of
from trainwright.engines.contract import (
    Capabilities,
    Job,
    Model,
    ModelFacts,
    ResumeKind,
    ResumePolicy,
    Session,
    Unit,
)
from trainwright.engines.repairs import Repair

if TYPE_CHECKING:
    import numpy as np

CAPABILITIES = Capabilities(
    tasks=frozenset({Task.LANGUAGE}), devices=("cpu",), exports=("native",), extra="", training_keys=frozenset()
)

_FORMAT = 1
_COUNTS = "counts.npz"
_MODEL = "model.json"
_BLOCK = 1 << 18
"""Rows times positions looked up at once: some 10 MB of keys (assumption)."""


def version() -> str:
    """The engine's own version: it stands on NumPy alone."""
    import numpy as np

    return f"ngram {_FORMAT} (NumPy {np.__version__})"


def resume_policy(plan: ModelPlan, rows: int, columns: int) -> ResumePolicy:
    """Counting again gives the same counts."""
    return ResumePolicy(kind=ResumeKind.REPLAY, exact=True, why="counted in one go; counting again gives the same")


def open(job: Job) -> Session:
    """Start a training."""
    return Counting(job)


def load(folder: Path) -> Model:
    """Read what `Session.export` wrote.

    Raises:
        ArtifactRefused: the folder is damaged, or of another engine.
    """
    return _read(folder)


@dataclass(frozen=True, slots=True)
class Level:
    """Histories of one length, and what followed them.

    ``nodes``: sorted keys ``shorter history * V + token further back`` of the histories; their positions number them.
    ``grams``: sorted keys ``history * V + token that followed``; ``counts``: how often. ``seen`` and ``kinds``: by
    history, how many tokens followed it, and how many different ones.
    """

    nodes: "np.ndarray"
    grams: "np.ndarray"
    counts: "np.ndarray"
    seen: "np.ndarray"
    kinds: "np.ndarray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A trained model: one level a history length, from the empty one; ``length`` is the width of its rows."""

    vocabulary: int
    length: int
    levels: tuple[Level, ...]

    def predict(self, X: "np.ndarray") -> "np.ndarray":
        """Nats of each row's predicted tokens: (rows,) float64.

        Raises:
            DataRefused: rows of another width, or ids beyond the vocabulary.
        """
        import numpy as np

        if X.ndim != 2 or X.shape[1] != self.length:
            raise DataRefused(
                f"the model was trained on rows of {self.length} ids; these have shape {tuple(X.shape)}. "
                "Prepare them with the features of the same run"
            )
        if X.size and int(np.abs(X).max()) >= self.vocabulary:
            raise DataRefused(f"ids must be below {self.vocabulary}, and {int(np.abs(X).max())} is there.")
        nats = np.zeros(len(X), dtype=np.float64)
        step = max(1, _BLOCK // self.length)
        for start in range(0, len(X), step):
            block = X[start : start + step]
            rows, at = np.nonzero(block[:, 1:] > 0)
            if len(rows):
                losses = -np.log(self._probabilities(np.abs(block), rows, at + 1))
                nats[start : start + step] = np.bincount(rows, weights=losses, minlength=len(block))
        return nats

    def next_token(self, ids: "np.ndarray") -> "np.ndarray":
        """See `trainwright.engines.contract.Continues`."""
        import numpy as np

        history = np.abs(ids[-len(self.levels) :]).astype(np.int64)
        every = np.arange(self.vocabulary)
        rows = np.column_stack([np.tile(history, (self.vocabulary, 1)), every])
        return self._probabilities(rows, every, np.full(self.vocabulary, len(history)))

    def _probabilities(self, ids: "np.ndarray", rows: "np.ndarray", at: "np.ndarray") -> "np.ndarray":
        """The probability of the token at each place."""
        import numpy as np

        tokens = ids[rows, at].astype(np.int64)
        probability = np.full(len(tokens), 1.0 / self.vocabulary)
        node = np.zeros(len(tokens), dtype=np.int64)
        alive = np.ones(len(tokens), dtype=bool)
        for back, level in enumerate(self.levels):
            if back:
                further = _before(ids, rows, at, back)
                node, known = _find(level.nodes, node * self.vocabulary + further)
                alive &= known & (further > 0)
            place, hit = _find(level.grams, node * self.vocabulary + tokens)
            count = np.where(hit, level.counts[place], 0)
            seen, kinds = level.seen[node], level.kinds[node]
            finer = (count + kinds * probability) / (seen + kinds)
            probability = np.where(alive, finer, probability)
        return probability


class Counting:
    """One training: it counts, and is done."""

    keeps_every_round = False
    keeps_predictions = False

    def __init__(self, job: Job) -> None:
        if job.val is not None and job.val.X.shape[1] != job.train.X.shape[1]:
            raise DataRefused("training and validation rows must have the same width")
        self._job = job
        self._counts: Counts | None = None

    def units(self) -> Iterator[Unit]:
        """One unit: all counts."""
        if self._counts is not None:
            return
        began = perf_counter()
        self._counts = count(self._job)
        yield Unit(rounds=1, seconds=perf_counter() - began)

    def predict_part(self, part: Literal["train", "val"]) -> "np.ndarray":
        """Nats of the job's own rows."""
        table = self._job.train if part == "train" else self._job.val
        if table is None:
            raise ValueError("the job has no validation rows")
        return self._trained().predict(table.X)

    def predict(self, X: "np.ndarray", *, rounds: int | None = None) -> "np.ndarray":
        """Nats of other rows."""
        if rounds not in (None, 1):
            raise ValueError(f"counts have one round, got {rounds}")
        return self._trained().predict(X)

    def save(self, folder: Path) -> None:
        """Only where training stands: counting again is as quick as reading."""
        rounds = int(self._counts is not None)
        State(rounds=rounds, model_digest="", files={}).write(folder, identity_of(self._job, version=version()))

    def restore(self, folder: Path) -> None:
        """Count again where the saved training had counted."""
        state = State.read(folder, identity_of(self._job, version=version()), rounds_limit=1)
        self._counts = count(self._job) if state.rounds else None

    def export(self, folder: Path, *, rounds: int | None = None) -> None:
        """Write ``counts.npz`` and ``model.json``."""
        import numpy as np

        counts = self._trained()
        arrays = {
            f"{name}_{at}": getattr(level, name) for at, level in enumerate(counts.levels) for name in Level.__slots__
        }
        np.savez(folder / _COUNTS, **arrays)
        document = {
            "format": _FORMAT,
            "engine": "ngram",
            "vocabulary": counts.vocabulary,
            "length": counts.length,
            "levels": len(counts.levels),
            "sha256": file_hash(folder / _COUNTS),
        }
        (folder / _MODEL).write_text(dumps(document, indent=2) + "\n", encoding="utf-8")

    def facts(self, *, rounds: int | None = None) -> ModelFacts:
        """The number of n-grams that were counted."""
        return ModelFacts(
            num_parameters=sum(len(level.counts) for level in self._trained().levels),
            parameters_kind="counted n-grams",
            optimizer="none: counted",
            learning_rate=None,
            batch_size=None,
        )

    def apply(self, repair: Repair) -> None:
        """There is nothing to change."""
        raise ValueError(f"counts have no {repair.action}")

    def close(self) -> None:
        """Nothing is held."""

    def _trained(self) -> Counts:
        if self._counts is None:
            raise ValueError("nothing has been counted yet")
        return self._counts


def count(job: Job) -> Counts:
    """Count every n-gram of the training rows up to the plan's order."""
    import numpy as np

    ids = np.abs(job.train.X)
    vocabulary, order = job.vocabulary, int(str(job.plan.params["order"]))
    rows, at = np.nonzero(job.train.X[:, 1:] > 0)
    at = at + 1
    tokens = ids[rows, at].astype(np.int64)
    node = np.zeros(len(tokens), dtype=np.int64)
    levels: list[Level] = []
    for back in range(order):
        nodes = np.zeros(1, dtype=np.int64)
        if back:
            further = _before(ids, rows, at, back)
            kept = further > 0
            rows, at, tokens, node, further = rows[kept], at[kept], tokens[kept], node[kept], further[kept]
            nodes, node = np.unique(node * vocabulary + further, return_inverse=True)
        if not len(tokens):
            break
        levels.append(_level(nodes, node, tokens, vocabulary))
    return Counts(vocabulary=vocabulary, length=int(ids.shape[1]), levels=tuple(levels))


def _level(nodes: "np.ndarray", node: "np.ndarray", tokens: "np.ndarray", vocabulary: int) -> Level:
    import numpy as np

    grams, counts = np.unique(node * vocabulary + tokens, return_counts=True)
    history = grams // vocabulary
    return Level(
        nodes=nodes,
        grams=grams,
        counts=counts,
        seen=np.bincount(history, weights=counts, minlength=len(nodes)),
        kinds=np.bincount(history, minlength=len(nodes)),
    )


def _before(ids: "np.ndarray", rows: "np.ndarray", at: "np.ndarray", back: int) -> "np.ndarray":
    """The token that many places before; 0 where the row begins later."""
    import numpy as np

    where = at - back
    return np.where(where >= 0, ids[rows, np.maximum(where, 0)], 0).astype(np.int64)


def _find(keys: "np.ndarray", wanted: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """Positions of wanted keys in a sorted array, and whether they are there."""
    import numpy as np

    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return at, keys[at] == wanted


def _read(folder: Path) -> Counts:
    import numpy as np

    try:
        document: Any = json.loads((folder / _MODEL).read_text(encoding="utf-8"))
        if document["engine"] != "ngram" or document["format"] != _FORMAT:
            raise ArtifactRefused(f"{folder.name} is not a model of the ngram engine of format {_FORMAT}")
        checked_bytes(folder / _COUNTS, str(document["sha256"]))
        with np.load(folder / _COUNTS, allow_pickle=False) as arrays:
            levels = tuple(
                Level(**{name: arrays[f"{name}_{at}"] for name in Level.__slots__})
                for at in range(int(document["levels"]))
            )
        return Counts(vocabulary=int(document["vocabulary"]), length=int(document["length"]), levels=levels)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactRefused(f"{folder} holds no n-gram model that can be read: {error}") from error
