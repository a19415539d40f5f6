"""Data sets of the user's own: what becomes of their items, and what is refused, with the index."""

import textwrap
from pathlib import Path

import numpy as np
import pytest

from trainwright.core.errors import DataRefused, ResourceMissing, SpecError
from trainwright.core.seeds import Seeds
from trainwright.data import arrays
from trainwright.data.conform import conform
from trainwright.data.dataset import Dataset, Kind
from trainwright.data.features import fit_features
from trainwright.data.own_data import read_own
from trainwright.data.prepare import load_dataset
from trainwright.data.read import RawTable
from trainwright.spec.models import Data

HEAD = """
import numpy as np
rng = np.random.default_rng(0)
Y = rng.integers(0, 2, 200)
X = (rng.normal(size=(200, 6, 3)) + Y[:, None, None]).astype("float32")

class Rows:
    def __init__(self, x=X, y=Y): self.x, self.y = x, y
    def __len__(self): return len(self.x)
    def __getitem__(self, i): return self.x[i], self.y[i]
"""


def written(folder: Path, code: str, *, head: str = HEAD) -> Path:
    (folder / "mine.py").write_text(head + textwrap.dedent(code))
    return folder


def read(folder: Path, name: str, *, with_target: bool = True) -> RawTable:
    return read_own(
        f"mine.py:{name}", base=folder, scratch=folder / "scratch", where="data.train_path", with_target=with_target
    )


def load(folder: Path, name: str) -> Dataset:
    data = Data(train_path=f"mine.py:{name}", target="y")
    return load_dataset(data, task="auto", seed=42, base=folder, scratch=folder / "scratch")


def matrix(dataset: Dataset, style: str) -> np.ndarray:
    _, X = fit_features(
        dataset.train,
        dataset.schema,
        dataset.target,
        style=style,  # type: ignore[arg-type]
        accepts_sparse=False,
        seeds=Seeds(0),
    )
    assert isinstance(X, np.ndarray)
    return X


def values(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    known: dict[str, np.ndarray] = {}
    exec(HEAD, known)  # our own text above
    return known["X"][:rows], known["Y"][:rows]


def test_items_of_more_dimensions_are_arrays(tmp_path: Path) -> None:
    X, y = values()
    dataset = load(written(tmp_path, ""), "Rows")
    assert dataset.schema["array"].kind is Kind.ARRAY
    np.testing.assert_array_equal(matrix(dataset, "array"), X[dataset.train.rows])
    np.testing.assert_array_equal(dataset.train.y, y[dataset.train.rows])
    assert dataset.test is not None


def test_large_arrays_are_mapped_and_hold_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, _ = values()
    dataset = load(written(tmp_path, ""), "Rows")
    monkeypatch.setattr(arrays, "IN_MEMORY", 0.0)
    made = matrix(dataset, "array")
    base = made
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    np.testing.assert_array_equal(made, X[dataset.train.rows])
    assert [p.name for p in (tmp_path / "scratch" / "train").iterdir()] == ["rows.npy"], "the mapped file has no name"


def test_bytes_are_images(tmp_path: Path) -> None:
    code = """
    class Pixels(Rows):
        def __getitem__(self, i):
            grey = (self.x[i].clip(0, 3) * 80).astype("uint8").repeat(2, 0).repeat(4, 1)
            return np.stack([grey, grey // 2, grey // 3], axis=2), ["no", "yes"][self.y[i]]
    """
    dataset = load(written(tmp_path, code), "Pixels")
    assert dataset.schema["image"].kind is Kind.IMAGE
    assert dataset.target.classes == ("no", "yes")
    X, _ = values()
    grey = (X[dataset.train.rows].clip(0, 3) * 80).astype("uint8").repeat(2, 1).repeat(4, 2)
    np.testing.assert_array_equal(matrix(dataset, "image"), np.stack([grey, grey // 2, grey // 3], axis=1))


@pytest.mark.parametrize("form", ["self.x[i].ravel()", "self.x[i].ravel().tolist()"])
def test_items_of_one_dimension_are_a_table(tmp_path: Path, form: str) -> None:
    X, _ = values()
    code = f"""
    class Flat(Rows):
        def __getitem__(self, i): return {form}, float(self.y[i])
    """
    dataset = load(written(tmp_path, code), "Flat")
    assert [c.name for c in dataset.schema.features] == [f"x{i}" for i in range(18)]
    np.testing.assert_allclose(matrix(dataset, "native"), X.reshape(200, -1)[dataset.train.rows])


def test_a_single_number_is_a_column(tmp_path: Path) -> None:
    code = """
    class One(Rows):
        def __getitem__(self, i): return self.x[i, 0, 0], self.y[i]
    """
    assert list(read(written(tmp_path, code), "One").frame.columns) == ["x0", "y"]


def test_tensors_of_torch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    code = """
    import torch
    from torch.utils.data import Dataset

    class Tensors(Dataset):
        def __len__(self): return 50
        def __getitem__(self, i):
            return torch.as_tensor(X[i]).requires_grad_(), torch.tensor([int(Y[i])])

    class Endless(Dataset):
        def __getitem__(self, i): return X[i], Y[i]
    """
    X, y = values(50)
    table = read(written(tmp_path, code), "Tensors")
    np.testing.assert_array_equal(arrays.rows_of(table.frame), X)
    assert table.frame["y"].tolist() == y.tolist()
    with pytest.raises(SpecError, match=r"Endless (failed|must give)"):
        read(tmp_path, "Endless")


def test_a_function_and_an_object_do_as_well(tmp_path: Path) -> None:
    written(tmp_path, "def made(): return Rows(X[:5], Y[:5])\nready = Rows(X[:7], Y[:7])\n")
    assert len(read(tmp_path, "made").frame) == 5
    assert len(read(tmp_path, "ready").frame) == 7


def test_the_fingerprint_is_of_the_values(tmp_path: Path) -> None:
    code = """
    class Same(Rows):
        def __getitem__(self, i): return super().__getitem__(i)
    def Other():
        x = X.copy()
        x[150, 3, 2] += 1
        return Rows(x)
    def Relabelled():
        y = Y.copy()
        y[7] = 1 - y[7]
        return Rows(X, y)
    """
    written(tmp_path, code)
    found = {name: read(tmp_path, name).files[0].sha256 for name in ("Rows", "Same", "Other", "Relabelled")}
    assert found["Rows"] == found["Same"]
    assert len({found["Rows"], found["Other"], found["Relabelled"]}) == 3


def test_randomness_in_items_is_said(tmp_path: Path) -> None:
    code = """
    class Random(Rows):
        def __getitem__(self, i): return self.x[i] + rng.normal(), self.y[i]
    """
    written(tmp_path, code)
    assert "data.own_random" in {f.code for f in read(tmp_path, "Random").findings}
    assert "data.own_random" not in {f.code for f in read(tmp_path, "Rows").findings}


def test_what_the_code_prints_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = """
    print("imported")
    class Loud(Rows):
        def __getitem__(self, i):
            print("item")
            return super().__getitem__(i)
    """
    read(written(tmp_path, code), "Loud")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "imported" in shown.err


def test_new_rows_need_no_target(tmp_path: Path) -> None:
    code = """
    class New(Rows):
        def __getitem__(self, i): return self.x[i]
    class Unknown(Rows):
        def __getitem__(self, i): return self.x[i], None
    """
    dataset = load(written(tmp_path, code), "Rows")
    for name in ("New", "Unknown"):
        table = read(tmp_path, name, with_target=False)
        frame, _ = conform(table.frame, dataset.schema, dataset.target)
        assert len(frame) == 200
        with pytest.raises(DataRefused, match="item 0"):
            read(tmp_path, name)


GIVES = "class D(Rows):\n def __getitem__(self, i): return "
BAD_ITEMS = {
    "empty": ("class D(Rows):\n def __len__(self): return 0", "is empty"),
    "shape": (GIVES + "X[i][: 6 - (i == 9)], 1", "item 9: every x must have"),
    "dtype": (GIVES + "X[i].astype('f8' if i == 4 else 'f4'), 1", "item 4: every x must have"),
    "nan": (GIVES + "np.where(i == 3, np.nan, X[i]), 1", "item 3: x must hold finite numbers, and 18 of 18 are not"),
    "nan target": (GIVES + "X[i], float('nan') if i == 11 else 1.0", "item 11: y must be finite"),
    "no target": (GIVES + "X[i], None", "item 0: y must be one number"),
    "wide target": (GIVES + "X[i], np.zeros(3)", "item 0: y must be one number"),
    "mixed targets": (GIVES + "X[i], 'a' if i == 2 else 1", "item 2: every y must be a number"),
    "text": (GIVES + "'abc', 1", "item 0: x must be an array of numbers"),
    "ragged": (GIVES + "[[1, 2], [3]], 1", "item 0: x must be an array of numbers"),
    "objects": (GIVES + "{'a': 1}, 1", "item 0: x must be an array of numbers"),
    "no pair": (GIVES + "X[i]", "item 0: (x, y) is required"),
    "three": (GIVES + "(X[i], 1, 2)", "a tuple of 3"),
    "raises": (GIVES + "X[i][:, 9 if i == 5 else 0, None], 1", "item 5 cannot be read: IndexError"),
    "exits": (GIVES + "__import__('sys').exit(3), 1", "item 0 cannot be read: SystemExit: 3"),
    "wide rows": (GIVES + "np.zeros(30_000), 1", "at most 20,000"),
}


@pytest.mark.parametrize(("code", "words"), BAD_ITEMS.values(), ids=BAD_ITEMS.keys())
def test_an_item_that_cannot_be_used_is_named(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(DataRefused) as refused:
        read(written(tmp_path, code), "D")
    assert words in refused.value.message


BAD_CODE = {
    "fails": ("1 / 0", "failed to import: ZeroDivisionError"),
    "missing name": ("class Dd(Rows): ...", "unknown data set 'D'. Did you mean 'Dd'"),
    "arguments": ("class D(Rows):\n def __init__(self, root): ...", "and it needs root"),
    "constructor": ("def D(): raise OSError('no disk')", "D failed: OSError: no disk"),
    "exit": ("import sys\ndef D(): sys.exit('bye')", "D failed: SystemExit: bye"),
    "iterable": ("def D(): return iter([1])", "must give a map-style data set"),
    "number": ("D = 3", "must give a map-style data set"),
}


@pytest.mark.parametrize(("code", "words"), BAD_CODE.values(), ids=BAD_CODE.keys())
def test_code_that_gives_no_data_set(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(SpecError) as refused:
        read(written(tmp_path, code), "D")
    assert words in refused.value.message


def test_it_is_not_run_unasked(tmp_path: Path) -> None:
    written(tmp_path, "raise SystemExit('it ran')")
    with pytest.raises(SpecError, match=r"a spec may not run code by itself.*--trust-code"):
        load_dataset(Data(train_path="mine.py:Rows", target="y"), task="auto", seed=0, base=tmp_path)


def test_a_full_disk_is_said_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(ResourceMissing, match=r"0\.0 GB are free there"):
        read(written(tmp_path, ""), "Rows")
