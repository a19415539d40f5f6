"""The tensors of a checkpoint in their files: whole, or in pieces that several processes wrote.

A piece holds consecutive rows (the first dimension); all pieces of a group lie in safetensors files, one a process, and
the index in ``state.json`` says for each tensor its shape and the first row of each piece. So every number of
processes can read what any other wrote: each asks for its own rows, and nothing else is read.

Why not torch.distributed.checkpoint: its usual writer leaves ``.metadata``, which is a pickle that its reader loads
(torch 2.13, `checkpoint/filesystem.py`). Its HuggingFaceStorageWriter leaves safetensors only, but plans of reads and
writes still travel between processes as pickles, and one process alone, which takes up what many wrote, would need the
planner to read a file. Rows in a safetensors file need neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import JsonValue


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor. ``pieces`` pairs an open file with the row that its part begins at."""

    name: str
    shape: tuple[int, ...]
    pieces: tuple[tuple[Any, int], ...]

    def whole(self) -> Tensor:
        """A copy of it on the CPU."""
        if self.shape:
            return self.rows(0, self.shape[0])
        found: Tensor = self.pieces[0][0].get_tensor(self.name)
        return found.clone()

    def rows(self, first: int, end: int) -> Tensor:
        """A copy of the rows from ``first`` up to ``end``, on the CPU; only these are read."""
        ends = [start for _, start in self.pieces[1:]] + [self.shape[0]]
        found = []
        for (file, start), piece_end in zip(self.pieces, ends, strict=True):
            a, b = max(first, start), min(end, piece_end)
            if a < b:
                found.append(file.get_slice(self.name)[a - start : b - start])
        if not found:
            found.append(self.pieces[0][0].get_slice(self.name)[0:0])
        return torch.cat(found)


def first_rows(rows: int, processes: int) -> list[int]:
    """Where the share of each process begins: as `torch.chunk` cuts, which is how FSDP2 does."""
    each = -(-rows // processes)
    return [min(rank * each, rows) for rank in range(processes)]


def file_of(group: str, rank: int) -> str:
    """What a process calls its part of a group."""
    return f"{group}-{rank}.safetensors"


def stored_groups(folder: Path, index: Mapping[str, Any] | None, groups: tuple[str, ...]) -> list[dict[str, Stored]]:
    """The tensors of each group by name; their files were held against their hashes.

    Without an index each group is one file of whole tensors.

    Raises:
        ArtifactRefused: a file is no safetensors file all the same.
        KeyError, TypeError: the index is none.
    """
    if index is None:
        return [_of_one_file(folder / f"{group}.safetensors") for group in groups]
    return [_of_many_files(folder, index[group]) for group in groups]


def _of_one_file(path: Path) -> dict[str, Stored]:
    file = _opened(path)
    return {name: Stored(name, tuple(file.get_slice(name).get_shape()), ((file, 0),)) for name in file.keys()}  # noqa: SIM118


def _of_many_files(folder: Path, index: Mapping[str, Any]) -> dict[str, Stored]:
    files = [_opened(folder / name) for name in index["files"]]
    return {
        name: Stored(name, tuple(entry["shape"]), tuple(zip(files, entry["first_rows"], strict=False)))
        for name, entry in index["tensors"].items()
    }


def index_of(group: str, sharded: Mapping[str, tuple[int, ...]], whole: Mapping[str, tuple[int, ...]], processes: int,
             ) -> dict[str, JsonValue]:  # fmt: skip
    """The index of a group: shapes of tensors that lie in all files, and of those in the first only."""
    tensors: dict[str, JsonValue] = {
        name: {"shape": list(shape), "first_rows": list(first_rows(shape[0], processes))}
        for name, shape in sharded.items()
    }
    tensors |= {name: {"shape": list(shape), "first_rows": [0]} for name, shape in whole.items()}
    return {"files": [file_of(group, rank) for rank in range(processes)], "tensors": tensors}


def _opened(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactRefused(f"{path} cannot be read: {error}") from error
