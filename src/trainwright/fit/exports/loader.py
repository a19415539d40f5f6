"""Loads the export in whose folder it lies. It needs nothing of Trainwright: NumPy, and the runtime of the format.

    python loader.py                      what the export is, and what it takes
    python loader.py check                score the golden rows, and compare with what the trained model said
    python loader.py predict ROWS.csv     score the rows of a CSV file; CSV goes to standard output

    from loader import Export
    Export("this/folder").predict({"age": [39, 50], "city": ["Rome", ""]})     # float64: probabilities, or values

A missing number is NaN, a missing text the empty text, a missing point in time NaT (or the empty text).
"""

import csv
import hashlib
import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray
    Score: TypeAlias = Callable[[Mapping[str, Array]], Array]

BATCH = 512  # rows at once


class Export:
    """An export, ready to score."""

    def __init__(self, folder: "Path | str", threads: int = 1) -> None:
        self.folder = Path(folder)
        self.facts = json.loads((self.folder / "export.json").read_text(encoding="utf-8"))
        self.classes = self.facts["classes"]
        for name, expected in self.facts["files"].items():
            found = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            if found != expected:
                raise SystemExit(f"{name} changed since it was written. Restore the folder from a copy.")
        self._score = RUNTIMES[self.facts["format"]](self.folder, self.facts, threads)

    def predict(self, columns: "Mapping[str, Sequence[Any] | Array]") -> "Array":
        """Columns by name, each as long as the others, to float64: (rows, classes) of probabilities, or (rows,)."""
        import numpy as np

        ready = [(one["name"], _ready(one, columns[one["column"] or one["name"]])) for one in self.facts["inputs"]]
        rows = len(ready[0][1])
        blocks = ({n: v[start : start + BATCH] for n, v in ready} for start in range(0, max(rows, 1), BATCH))
        return np.concatenate([np.asarray(self._score(block), dtype=np.float64) for block in blocks])

    def golden(self) -> "tuple[dict[str, Array], Array, Array, list[str]]":
        """The rows that travel with the export: columns, and what the trained model predicted."""
        import numpy as np

        with np.load(self.folder / "golden.npz", allow_pickle=False) as kept:
            columns = {one["column"] or one["name"]: kept["in/" + one["name"]] for one in self.facts["inputs"]}
            return columns, kept["expected"], kept["alone"], kept["kinds"].tolist()


def _ready(one: Mapping[str, Any], values: "Sequence[Any] | Array") -> "Array":
    """The values of one input in the type that the model takes, rows first."""
    import numpy as np

    kind = one["kind"]
    if kind == "number":
        numbers = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        return np.where(np.isinf(numbers), np.nan, numbers)
    if kind == "text":
        return np.array([_text(v) for v in values], dtype=object)
    if kind == "moment":
        if np.asarray(values).dtype.kind == "i":
            return np.asarray(values, dtype=np.int64)
        times = np.array(["NaT" if v is None or v == "" else v for v in values], dtype="datetime64[us]")
        return times.view(np.int64)
    return np.ascontiguousarray(values, dtype=one["dtype"])


def _text(value: object) -> str:
    """As training read it: no spaces around, true and false in small letters, 3.0 as 3, nothing as the empty text."""
    import numpy as np

    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _onnx(folder: Path, facts: Mapping[str, Any], threads: int) -> "Score":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(folder / facts["file"]), options, providers=["CPUExecutionProvider"])
    columns = {one["name"] for one in facts["inputs"] if one["kind"] != "matrix"}

    def score(rows: "Mapping[str, Array]") -> "Array":
        feed = {name: v.reshape(-1, 1) if name in columns else v for name, v in rows.items()}
        found: Array = session.run(["prediction"], feed)[0]
        return found

    return score


def _torch(module: Callable[..., Any]) -> "Score":
    def score(rows: "Mapping[str, Array]") -> "Array":
        import torch

        with torch.inference_mode():
            found: Array = module(*(torch.from_numpy(v) for v in rows.values())).numpy()
            return found

    return score


def _torchscript(folder: Path, facts: Mapping[str, Any], threads: int) -> "Score":
    import torch

    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch 2.13 says it of every call of torch.jit
        module = torch.jit.load(str(folder / facts["file"]), map_location="cpu")  # type: ignore[no-untyped-call]
        return _torch(module.eval())


def _torch_export(folder: Path, facts: Mapping[str, Any], threads: int) -> "Score":
    import torch

    torch.set_num_threads(threads)
    return _torch(torch.export.load(str(folder / facts["file"])).module())


def _booster(folder: Path, facts: Mapping[str, Any], threads: int) -> "Score":
    import numpy as np

    about = facts["about"]
    models = [LIBRARIES[about["library"]](str(folder / one["file"]), one, threads) for one in about["members"]]

    def score(rows: "Mapping[str, Array]") -> "Array":

        mean: Array = np.mean([model(X) for model, X in zip(models, rows.values(), strict=True)], axis=0)
        return mean

    return score


def _lightgbm(path: str, about: Mapping[str, Any], threads: int) -> "Callable[[Array], Array]":
    import lightgbm
    import numpy as np

    booster = lightgbm.Booster(model_file=path)

    def score(X: "Array") -> "Array":

        raw = np.asarray(booster.predict(X, num_threads=threads), dtype=np.float64)
        return np.column_stack([1.0 - raw, raw]) if about["task"] == "binary" else raw

    return score


def _xgboost(path: str, about: Mapping[str, Any], threads: int) -> "Callable[[Array], Array]":
    import numpy as np
    import xgboost

    booster = xgboost.Booster({"verbosity": 0, "nthread": threads}, model_file=path)
    marked = set(about["categorical"])

    def score(X: "Array") -> "Array":
        if about["sparse"]:  # trained on sparse rows: what is not there is missing
            X = np.where(X == 0, np.nan, X)
        kinds = ["c" if i in marked else "q" for i in range(X.shape[1])] if marked else None
        rows = xgboost.DMatrix(X, feature_types=kinds, enable_categorical=bool(marked), nthread=threads)
        raw: Array = booster.predict(rows).astype(np.float64)
        if about["task"] == "binary":
            return np.column_stack([1.0 - raw, raw])
        shares: Array = raw / raw.sum(axis=1, keepdims=True) if about["task"] == "multiclass" else raw
        return shares

    return score


def _catboost(path: str, about: Mapping[str, Any], threads: int) -> "Callable[[Array], Array]":
    import catboost
    import numpy as np

    model = catboost.CatBoost()
    model.load_model(path, format="cbm")
    marked = about["categorical"]

    def score(X: "Array") -> "Array":
        rows = _catboost_rows(catboost, X, marked)
        raw: Array = model.predict(rows, prediction_type="RawFormulaVal", thread_count=threads)
        if about["link"] == "sigmoid":
            positive = np.where(raw >= 0, 1 / (1 + np.exp(-np.abs(raw))), 1 - 1 / (1 + np.exp(-np.abs(raw))))
            return np.column_stack([1.0 - positive, positive])
        if about["link"] == "softmax":
            raised: Array = np.exp(raw - raw.max(axis=1, keepdims=True))
            raised /= raised.sum(axis=1, keepdims=True)
            return raised
        return np.array(np.exp(raw) if about["link"] == "exp" else raw, dtype=np.float64)

    return score


def _catboost_rows(catboost: Any, X: "Array", marked: list[int]) -> Any:
    import numpy as np

    if not marked:
        return catboost.Pool(np.ascontiguousarray(X, dtype=np.float32))
    numeric = [i for i in range(X.shape[1]) if i not in set(marked)]
    codes = np.nan_to_num(X[:, marked], nan=-1.0).astype(np.int64)
    names = np.array([b"", *(b"%d" % i for i in range(int(codes.max(initial=-1)) + 1))], dtype=object)
    numbers = np.ascontiguousarray(X[:, numeric], dtype=np.float32) if numeric else None
    return catboost.Pool(catboost.FeaturesData(num_feature_data=numbers, cat_feature_data=names[codes + 1]))


def _joblib(folder: Path, facts: Mapping[str, Any], threads: int) -> "Score":
    import joblib
    import numpy as np

    members = joblib.load(folder / facts["file"])

    def score(rows: "Mapping[str, Array]") -> "Array":

        mean: Array = np.mean([_of_estimator(one, X) for one, X in zip(members, rows.values(), strict=True)], axis=0)
        return mean

    return score


def _of_estimator(one: Mapping[str, Any], X: "Array") -> "Array":
    import numpy as np

    estimator, form = one["estimator"], one["form"]
    if not form["num_classes"]:
        values: Array = np.asarray(estimator.predict(X), dtype=np.float64).reshape(-1)
        return values * float(form["scale"]) + float(form["center"])
    full = np.zeros((len(X), form["num_classes"]))
    full[:, np.asarray(estimator.classes_, dtype=np.int64)] = estimator.predict_proba(X)
    sums = full.sum(axis=1, keepdims=True)
    return full if np.all(np.abs(sums - 1.0) < 1e-12) else full / sums


RUNTIMES = {
    "onnx": _onnx,
    "torchscript": _torchscript,
    "torch_export": _torch_export,
    "booster": _booster,
    "joblib": _joblib,
}
LIBRARIES = {"lightgbm": _lightgbm, "xgboost": _xgboost, "catboost": _catboost}


def check(folder: Path, out: str = "", many: int = 0) -> dict[str, Any]:
    """Score the golden rows together, and some alone; compare, and time one row and ``many`` rows."""
    import numpy as np

    export = Export(folder)
    columns, expected, alone, _ = export.golden()
    together = export.predict(columns)
    one_by_one = [export.predict({name: values[i : i + 1] for name, values in columns.items()}) for i in alone]
    singles = np.concatenate(one_by_one) if one_by_one else together[:0]
    allowed = export.facts["allowed"]
    said = {
        "format": export.facts["format"],
        "rows": len(together),
        "rows_alone": len(singles),
        "largest_difference": _largest(together, expected),
        "largest_difference_alone": _largest(singles, expected[alone]),
        "passed": _within(together, expected, allowed) and _within(singles, expected[alone], allowed),
        "python": sys.version.split()[0],
        "runtime": {name: _version(name) for name in export.facts["runtime"]},
    }
    if many:
        said["latency"] = _latency(export, columns, many)
    if out:
        np.savez(out, together=together, alone=singles)
    return said


def _largest(found: "Array", expected: "Array") -> float | None:
    import numpy as np

    if found.shape != expected.shape:
        return None
    difference = np.abs(found - expected)
    largest = float(difference.max()) if difference.size else 0.0
    return largest if np.isfinite(largest) else None


def _within(found: "Array", expected: "Array", allowed: float) -> bool:
    import numpy as np

    if found.shape != expected.shape or not np.isfinite(found).all():
        return False
    return bool(np.all(np.abs(found - expected) <= allowed))


def _version(name: str) -> str:
    return str(getattr(sys.modules.get(name), "__version__", "unknown"))


def _latency(export: Export, columns: "Mapping[str, Array]", many: int) -> dict[str, Any]:
    """The median of single rows, and the time for ``many`` (golden rows, repeated), in at most about ten seconds."""
    import numpy as np

    total = len(next(iter(columns.values())))
    ones = []
    for i in range(30):
        at = i % total
        row = {name: values[at : at + 1] for name, values in columns.items()}
        began = time.perf_counter()
        export.predict(row)
        ones.append(time.perf_counter() - began)
        if sum(ones) > 3:
            break
    affordable = max(1, int(5 / (float(np.median(ones)) + 1e-9)))
    rows = min(many, max(total, affordable))
    places = np.resize(np.arange(total), rows)
    repeated = {name: values[places] for name, values in columns.items()}
    began = time.perf_counter()
    export.predict(repeated)
    return {"one_row_s": float(np.median(ones)), "rows": rows, "rows_s": time.perf_counter() - began, "threads": 1}


def _predict_file(export: Export, path: str) -> None:
    """Score a CSV file. Only an export that takes columns can: a matrix is what the features beside it give."""
    import numpy as np

    if any(one["kind"] == "matrix" for one in export.facts["inputs"]):
        raise SystemExit("this export takes what the features beside it give (features/), not the columns of a file")
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    columns = {}
    for one in export.facts["inputs"]:
        given = [row.get(one["column"]) for row in rows]
        given = ["" if v is not None and v.strip() in export.facts["missing"] else v for v in given]
        if rows and given[0] is None:
            raise SystemExit(f"the column {one['column']!r} is required, and {path} does not have it")
        columns[one["column"]] = [_number(v) for v in given] if one["kind"] == "number" else given
    predicted = export.predict(columns) if rows else np.zeros((0, max(1, len(export.classes))))
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["prediction", *(f"proba_{name}" for name in export.classes)])
    for row in predicted:
        out.writerow(
            [export.classes[int(np.argmax(row))], *map(repr, map(float, row))] if export.classes else [float(row)]
        )


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def main(arguments: list[str]) -> int:
    """The command line; the exit code."""
    folder = Path(__file__).resolve().parent
    if arguments[:1] == ["check"]:
        said = check(folder, "".join(arguments[1:2]), int("".join(arguments[2:3]) or 0))
        print(json.dumps(said))
        return 0 if said["passed"] else 6
    if len(arguments) == 2 and arguments[0] == "predict":
        _predict_file(Export(folder), arguments[1])
        return 0
    facts = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    print(__doc__)
    print(f"{facts['format']}: {facts['summary']}")
    for one in facts["inputs"]:
        print(f"  takes {one['column'] or one['name']}: {one['kind']} {one['dtype']} {one['shape'] or ''}".rstrip())
    return 0 if not arguments else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
