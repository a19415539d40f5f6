"""Networks through the real command: tables, images, messages and a text, each within a time budget.

    pip install -e '.[torch]'
    python benchmarks/networks.py --data FOLDER                            # all, a Markdown table
    python benchmarks/networks.py --data FOLDER --only "adult mlp" gpt --budget 5m

A table's spec is what ``trainwright init`` writes, with the family and the budget over it; the others have the short
specs below. The baselines of the run are trained on the same rows and scored on the same validation rows.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datasets import command, number

from trainwright.core.jsonable import dumps

SMALLER = {
    "tabm": {"k": 16, "d_block": 128},
    "ft_transformer": {"n_blocks": 1, "d_block": 96, "attention_dropout": 0.1, "ffn_dropout": 0.0},
}
"""Sizes for a CPU, as docs/networks.md advises: the full defaults take minutes an epoch there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One training: its data, what is to be predicted, and its family. ``spec`` stands in for ``init``."""

    name: str
    file: str
    family: str
    metric: str
    target: str = ""
    spec: Mapping[str, object] = field(default_factory=dict)


TABLES = {
    "adult": ("adult.csv", "income", "roc_auc"),
    "california": ("california_housing.csv", "median_house_value", "rmse"),
}
CASES = (
    *(
        Case(name=f"{table} {family}", file=file, family=family, metric=metric, target=target)
        for table, (file, target, metric) in TABLES.items()
        for family in ("mlp", "resnet", "tabm", "ft_transformer")
    ),
    Case(
        name="cifar10_6k cnn", file="cifar10_6k.zip", family="cnn", metric="accuracy",
        spec={
            "data": {
                "train_path": "{file}/cifar10_6k/train", "test_path": "{file}/cifar10_6k/test", "target": "label",
            }
        },
    ),
    Case(
        name="sms_spam text_transformer", file="sms_spam.csv", family="text_transformer", metric="roc_auc",
        spec={"data": {"train_path": "{file}", "target": "label", "columns": {"text": ["text"]}}},
    ),
    Case(
        name="tiny_shakespeare gpt", file="tiny_shakespeare.txt", family="gpt", metric="bits_per_character",
        spec={"task": "language", "data": {"train_path": "{file}"}},
    ),
)  # fmt: skip


def write_spec(case: Case, file: Path, folder: Path) -> Path:
    """What ``init`` writes for a table, or the case's own few lines."""
    spec = folder / "spec.yaml"
    if not case.spec:
        code, answer = command(["init", str(file), "--target", case.target, "--out", str(spec), "--force"], folder)
        assert code == 0, answer
        return spec
    document = {"architecture": {"model_type": case.family}, "training": {"metric": case.metric}, **case.spec}
    spec.write_text(dumps(document).replace("{file}", file.as_posix()))  # JSON is YAML
    return spec


def run_case(case: Case, data: Path, folder: Path, budget: str) -> str:
    """One row of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = write_spec(case, (data / case.file).resolve(), folder)
    overrides = [
        f"architecture.model_type={case.family}",
        f"training.time_budget={budget}",
        f"training.metric={case.metric}",
    ]
    if case.family in SMALLER:
        overrides.append(f"architecture.architecture_spec={dumps(SMALLER[case.family])}")
    began = time.perf_counter()
    arguments = ["train", str(spec), "--out", str(folder), *(word for o in overrides for word in ("-o", o))]
    code, result = command(arguments, folder)
    wall_s = time.perf_counter() - began
    if code:
        return f"| {case.name} | exit {code}: {result['error']['message'][:300]} |"
    metrics = {part: result["metrics"].get(part, {}).get(case.metric) for part in ("val", "test")}
    run = Path(result["run"])
    record = read_record(run if run.is_absolute() else folder / run)
    model = record["model"]
    baselines = ", ".join(f"{b['name']} {number(b['val'])}" for b in record["baselines"])
    cells = [
        case.name, case.metric, number(metrics["val"]), number(metrics["test"]), baselines,
        f"{model['num_parameters']:,}", f"{model['rounds_best']} of {model['rounds_run']}", model["stopped_by"],
        str(model["threads"]), f"{wall_s:.0f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def read_record(run: Path) -> dict:
    """``run.json``, with the baselines' validation scores."""
    import json

    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    record["baselines"] = json.loads((run / "baselines.json").read_text(encoding="utf-8"))["baselines"]
    return record


def main() -> None:
    """Print the table, a line as each case ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data")
    parser.add_argument("--only", nargs="+", help="names of cases, or parts of them")
    parser.add_argument("--budget", default="5m", help="training.time_budget of each (default 5m)")
    parser.add_argument("--keep", type=Path, help="keep the runs here instead of a temporary folder")
    given = parser.parse_args()
    columns = (
        "case",
        "metric",
        "val",
        "test",
        "baselines, val",
        "parameters",
        "best epoch",
        "stopped by",
        "threads",
        "wall, s",
    )
    print("| " + " | ".join(columns) + " |\n" + "| --- " * len(columns) + "|", flush=True)
    with tempfile.TemporaryDirectory(prefix="trainwright-networks-") as scratch:
        root = (given.keep or Path(scratch)).resolve()
        for case in CASES:
            if given.only is None or any(part in case.name for part in given.only):
                print(
                    run_case(case, given.data.resolve(), root / case.name.replace(" ", "-"), given.budget), flush=True
                )


if __name__ == "__main__":
    main()
