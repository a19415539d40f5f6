"""The facts of a data set in the run folder: schema, fingerprint, split."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.core.errors import ArtifactRefused
from trainwright.core.jsonable import dumps, to_json
from trainwright.core.tasks import Task
from trainwright.data.dataset import Column, Kind, Schema, Target

if TYPE_CHECKING:
    import numpy as np

    from trainwright.data.dataset import Dataset

_FORMAT = 1


def save_dataset_facts(dataset: "Dataset", folder: Path) -> None:
    """Write ``schema.json``, ``fingerprint.json`` and ``split.parquet`` (row int64, part string), each whole or not."""
    import io

    import pandas as pd

    from trainwright.run.files import write_bytes

    folder.mkdir(parents=True, exist_ok=True)
    schema = {"format": _FORMAT, "columns": to_json(dataset.schema.columns), "target": to_json(dataset.target)}
    write_bytes(folder / "schema.json", (dumps(schema, indent=2) + "\n").encode())
    write_bytes(folder / "fingerprint.json", (dumps(dataset.fingerprint, indent=2) + "\n").encode())
    rows = {part.name: part.rows for part in (dataset.train, dataset.val)}
    test = _test_rows(dataset)
    if test is not None:
        rows["test"] = test
    table = pd.concat(
        [
            pd.DataFrame({"row": ids, "part": pd.Series(name, index=range(len(ids)), dtype="str")})
            for name, ids in rows.items()
        ]
    ).sort_values("row", kind="stable")
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    write_bytes(folder / "split.parquet", buffer.getvalue())


def load_schema(path: Path) -> tuple[Schema, Target]:
    """Read ``schema.json``.

    Raises:
        ArtifactRefused: missing, damaged, or of another format.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["format"] != _FORMAT:
            raise ArtifactRefused(f"{path} has schema format {value['format']}, this version reads {_FORMAT}.")
        columns = tuple(
            Column(
                **{
                    **one,
                    "kind": Kind(one["kind"]),
                    "categories": tuple(one["categories"]),
                    "examples": tuple(one["examples"]),
                }
            )
            for one in value["columns"]
        )
        target = value["target"]
        return Schema(columns=columns), Target(
            **{**target, "task": Task(target["task"]), "classes": tuple(target["classes"])}
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactRefused(f"{path} cannot be read as a schema: {error}. Restore it from a copy.") from error


def _test_rows(dataset: "Dataset") -> "np.ndarray | None":
    """Ids of the test rows: which rows they are is no secret, what they hold is."""
    return None if dataset.test is None else dataset.test._part.rows
