"""Images as data: where they lie, what is refused and what is said, and what becomes of them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.data.pictures import COLOURS, as_folder, as_zip, encoded, files, picture
from trainwright.checks.contract import Verdict
from trainwright.checks.examine import examine_data
from trainwright.core.errors import ArtifactRefused, DataRefused, SpecError
from trainwright.core.seeds import Seeds
from trainwright.data.conform import conform
from trainwright.data.dataset import Dataset, Kind
from trainwright.data.features import Features, fit_features, load_features
from trainwright.data.folds import make_folds
from trainwright.data.images import IMAGE, PATH, parts_of
from trainwright.data.prepare import load_dataset
from trainwright.data.read import RawTable, read_table
from trainwright.data.store import load_schema, save_dataset_facts
from trainwright.spec.models import Columns, Data, Split


def load(path: Path, *, test: Path | None = None, split: Split | None = None) -> Dataset:
    data = Data(train_path=str(path), test_path=None if test is None else str(test), target="label", split=split)
    return load_dataset(data, task="auto", seed=42, base=path.parent)


def fitted(dataset: Dataset, **options: object) -> "tuple[Features, np.ndarray]":
    features, X = fit_features(
        dataset.train,
        dataset.schema,
        dataset.target,
        style="image",
        accepts_sparse=False,
        seeds=Seeds(0),
        options=options,  # type: ignore[arg-type]
    )
    assert isinstance(X, np.ndarray)
    return features, X


def found(table: RawTable | Dataset, code: str) -> str:
    """The sentence of the one finding of that code."""
    (finding,) = [f for f in table.findings if f.code == code]
    return finding.sentence()


def codes(table: RawTable | Dataset) -> set[str]:
    return {f.code for f in table.findings}


def places(tmp_path: Path, content: dict[str, bytes]) -> dict[str, Path]:
    """The same images as a folder, a zip, a zip in which a folder wraps them, and a folder in a zip with others."""
    inside = {f"data/train/{n}": d for n, d in content.items()} | {"data/test/red/x.png": encoded(picture((9, 9, 9)))}
    return {
        "folder": as_folder(tmp_path / "folder", content),
        "zip": as_zip(tmp_path / "plain.zip", content),
        "inside": as_zip(tmp_path / "parts.zip", inside) / "data" / "train",
    }


# reading


@pytest.mark.parametrize("place", ["folder", "zip", "inside"])
def test_class_folders_become_a_table(tmp_path: Path, place: str) -> None:
    content = files(each=3)
    table = read_table(places(tmp_path, content)[place])
    assert list(table.frame.columns) == ["path", "label", "image", "source"]
    assert table.frame["path"].tolist() == sorted(content)
    assert table.frame["label"].tolist() == ["green"] * 3 + ["red"] * 3
    assert table.known[IMAGE].kind is Kind.IMAGE
    assert table.files[0].rows == 6
    assert "6 images of 16x16 colour (6)" in found(table, "data.images_read")


def test_the_fingerprint_is_of_bytes_and_names_wherever_they_lie(tmp_path: Path) -> None:
    content = files(each=3)
    digests = {read_table(p).files[0].sha256 for p in places(tmp_path, content).values()}
    assert len(digests) == 1
    changed = {**content, "red/000.png": encoded(picture((1, 2, 3)))}
    assert read_table(as_zip(tmp_path / "changed.zip", changed)).files[0].sha256 not in digests
    renamed = {n.replace("red/", "crimson/"): d for n, d in content.items()}
    assert read_table(as_zip(tmp_path / "renamed.zip", renamed)).files[0].sha256 not in digests


def test_a_wrapping_folder_is_no_class_and_stays_in_the_path(tmp_path: Path) -> None:
    table = read_table(as_folder(tmp_path / "d", {f"all/mine/{n}": d for n, d in files(each=2).items()}))
    assert set(table.frame["label"]) == {"red", "green"}
    assert table.frame["path"][0] == "all/mine/green/000.png"


def test_folders_below_a_class_belong_to_it(tmp_path: Path) -> None:
    table = read_table(as_folder(tmp_path / "d", {**files(each=2), "red/more/deep/x.png": files()["red/030.png"]}))
    assert table.frame.loc[table.frame["path"] == "red/more/deep/x.png", "label"].item() == "red"


def test_a_flat_folder_and_a_single_file_have_no_label(tmp_path: Path) -> None:
    flat = as_folder(tmp_path / "flat", {f"{i}.png": encoded(picture((i, 9, 9))) for i in range(3)})
    assert list(read_table(flat).frame.columns) == ["path", "image", "source"]
    one = read_table(flat / "1.png")
    assert one.frame["path"].tolist() == ["1.png"]
    packed = as_zip(tmp_path / "z.zip", {"a/b/1.png": (flat / "1.png").read_bytes()})
    assert read_table(packed / "a" / "b" / "1.png").frame[IMAGE].tolist() == one.frame[IMAGE].tolist()


def test_names_of_any_letters_and_spaces(tmp_path: Path) -> None:
    data = {
        f"{label}/{name}.png": encoded(picture(COLOURS[colour], seed=i))
        for i, name in enumerate(["a b", "ünïcode", "日本語", "it's", "100%", "#1", "[x]"])
        for label, colour in (("rød farve", "red"), (" spaced", "green"))
    }
    dataset = load(as_folder(tmp_path / "my data" / "bilder é", data), split=Split(val=0.3, test=0.3))
    assert dataset.target.classes == ("rød farve", "spaced")
    _, X = fitted(dataset)
    assert X.shape == (len(dataset.train), 3, 16, 16)


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    real = as_folder(tmp_path / "real", files(each=2))
    linked = tmp_path / "linked"
    (linked / "red").mkdir(parents=True)
    (linked / "green").symlink_to(real / "green")
    (linked / "red" / "again").symlink_to(linked)
    (linked / "red" / "x.png").write_bytes(files()["red/001.png"])
    assert len(read_table(linked).frame) == 3


# what is left out, and said


def test_files_that_are_no_images_are_counted(tmp_path: Path) -> None:
    extra = {"notes.txt": b"hello", "red/labels.csv": b"a,b", "__MACOSX/red/._000.png": b"x", "red/.DS_Store": b"x"}
    table = read_table(as_zip(tmp_path / "d.zip", {**files(each=2), **extra}))
    assert len(table.frame) == 4
    assert found(table, "data.images_other_files").startswith("image: 2 files are no images by their name")


def _bomb() -> bytes:
    """A PNG of a few bytes that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encoded(picture((9, 9, 9), size=(64, 64)), "JPEG")[:-400], "truncated"),
        (encoded(picture((9, 9, 9), size=(64, 64)))[:-2000], ""),
        (b"", "cannot identify"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "cannot identify"),
        (b"just text", "cannot identify"),
        (_bomb(), "exceeds limit"),
        (encoded(Image.fromarray(np.ones((8, 8), dtype="float32")), "TIFF"), "real numbers"),
    ],
    ids=["truncated jpeg", "truncated png", "empty", "postscript", "text", "bomb", "floats"],
)
def test_an_image_that_cannot_be_read_is_named_and_left_out(tmp_path: Path, data: bytes, words: str) -> None:
    table = read_table(as_folder(tmp_path / "d", {**files(each=2), "red/bad.jpg": data}))
    assert "red/bad.jpg" not in table.frame["path"].tolist()
    sentence = found(table, "data.images_unreadable")
    assert sentence.startswith("image: 1 of 5 image files cannot be read and were left out (red/bad.jpg: ")
    assert words in sentence
    with pytest.raises(DataRefused, match="none of 1 can"):
        read_table(as_folder(tmp_path / "only", {"red/bad.jpg": data}))


def test_a_damaged_member_of_a_zip_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files(each=2).items():
            archive.writestr(name, data)
    raw = path.read_bytes()
    at = raw.index(b"IDAT")
    path.write_bytes(raw[: at + 8] + bytes([raw[at + 8] ^ 255]) + raw[at + 9 :])
    assert "Bad CRC-32" in found(read_table(path), "data.images_unreadable")


def test_equal_images_of_two_classes_are_said(tmp_path: Path) -> None:
    content = files(each=2)
    content["red/twin.bmp"] = encoded(Image.open(io.BytesIO(content["green/001.png"])), "BMP")
    sentence = found(read_table(as_folder(tmp_path / "d", content)), "data.images_two_labels")
    assert sentence.startswith("label: 2 images have a twin of equal pixels in another class (green/001.png, red/twin")


def test_images_beside_the_class_folders_have_no_target(tmp_path: Path) -> None:
    dataset = load(as_folder(tmp_path / "d", {**files(), "stray.png": encoded(picture((5, 5, 5)))}))
    assert "1 of 81 train rows have no target" in found(dataset, "data.target_missing")


# what is refused


def _zip_with(name: str) -> Callable[[Path], Path]:
    return lambda folder: as_zip(folder / "d.zip", {**files(each=2), name: files()["red/010.png"]})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: as_folder(p / "d", {"red/x.txt": b"x"}), "there are 1 other files"),
        (lambda p: as_zip(p / "d.zip", {}), "there are no files"),
        (_zip_with("../../evil.png"), "leads out"),
        (_zip_with("/etc/evil.png"), "leads out"),
        (_zip_with("red\\..\\..\\evil.png"), "leads out"),
        (_zip_with("C:/evil.png"), "leads out"),
        (lambda p: as_zip(p / "d.zip", files()) / "nothing", "no folder 'nothing' in it. Folders: green, red"),
        (lambda p: as_folder(p, {"d.zip": b"no zip"}) / "d.zip", "a zip file is required"),
        (
            lambda p: as_folder(p, {"d.zip": as_zip(p / "e.zip", files()).read_bytes()[:-30]}) / "d.zip",
            "cannot be read",
        ),
        (lambda p: as_folder(p / "d", files(("red",))), "two classes at least"),
        (lambda p: as_folder(p / "d", {n.split("/")[1]: d for n, d in files().items()}), "lie in no class folders"),
        (
            lambda p: as_folder(p / "d", {f"{a}/{n}": d for a in ("train", "test") for n, d in files().items()}),
            "parts of a data set (test, train), not classes",
        ),
        (lambda p: p / "missing.zip", "no such file"),
    ],
    ids=[
        "no images",
        "empty zip",
        "zip slip",
        "absolute",
        "backslashes",
        "drive",
        "no such folder",
        "no zip",
        "cut zip",
        "one class",
        "flat",
        "parts",
        "missing",
    ],
)
def test_what_is_refused(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    with pytest.raises(DataRefused) as refused:
        load(make(tmp_path))
    assert words in refused.value.message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "d.zip", files(each=2))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("red/000.png", b"other")
    with pytest.raises(DataRefused, match="there twice"):
        read_table(path)


def test_an_encrypted_member_cannot_be_read(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "d.zip", files(each=2))
    raw = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + flags] |= 1
    path.write_bytes(bytes(raw))
    assert "encrypted" in found(read_table(path), "data.images_unreadable")


def test_parts_are_found(tmp_path: Path) -> None:
    content = {f"set/{a}/{n}": d for a in ("train", "valid", "test") for n, d in files(each=1).items()}
    path = as_zip(tmp_path / "d.zip", content)
    assert parts_of(path) == {"train": path / "set/train", "val": path / "set/valid", "test": path / "set/test"}
    plain = as_folder(tmp_path / "plain", files(each=1))
    assert parts_of(plain) == {"train": plain}


# the data set


def test_the_schema_and_its_file(tmp_path: Path) -> None:
    dataset = load(as_folder(tmp_path / "d", files()))
    kinds = {c.name: (c.kind, c.role) for c in dataset.schema.columns}
    assert kinds == {
        "path": (Kind.IDENTIFIER, "ignored"),
        "label": (Kind.CATEGORICAL, "target"),
        "image": (Kind.IMAGE, "feature"),
        "source": (Kind.IDENTIFIER, "ignored"),
    }
    assert dataset.split.strategy == "stratified"
    save_dataset_facts(dataset, tmp_path / "facts")
    assert load_schema(tmp_path / "facts" / "schema.json") == (dataset.schema, dataset.target)


def test_equal_pixels_stay_on_one_side(tmp_path: Path) -> None:
    content = files()
    for i in range(20):  # the same pixels in another file format and under another name
        image = Image.open(io.BytesIO(content[f"red/{i:03}.png"]))
        content[f"red/copy {i}.bmp"] = encoded(image, "BMP")
    dataset = load(as_folder(tmp_path / "d", content))
    assert "20 of 100 rows repeat" in found(dataset, "data.duplicates_together")
    parts = [set(dataset.train.frame[IMAGE]), set(dataset.val.frame[IMAGE])]
    assert not parts[0] & parts[1]
    folds = make_folds(dataset.train, dataset.target, folds=3, strategy="auto", columns=Columns(), seeds=Seeds(0))
    for train, held in folds:
        images = dataset.train.frame[IMAGE]
        assert not set(images.iloc[train]) & set(images.iloc[held])


def test_copies_in_the_test_place_are_a_leak(tmp_path: Path) -> None:
    train = as_folder(tmp_path / "train", files(each=60))
    copies = {n: encoded(Image.open(io.BytesIO(d)), "BMP") for n, d in list(files(each=60).items())[:40]}
    test = as_zip(tmp_path / "test.zip", {**files(("red", "green", "blue"), each=60), **copies})
    results = {r.name: r for r in examine_data(load(train, test=test))}
    assert results["shared_rows"].verdict is Verdict.LEAK


def test_every_check_has_a_verdict_on_clean_images(tmp_path: Path) -> None:
    results = {r.name: r for r in examine_data(load(as_folder(tmp_path / "d", files(each=180))))}
    assert {r.verdict for r in results.values()} <= {Verdict.OK, Verdict.CLEAN, Verdict.NOT_CHECKED}
    assert results["shared_rows"].verdict is Verdict.CLEAN
    assert "only the size and colour mode" in results["target_leakage"].saw


def test_a_size_that_tells_the_class_is_said(tmp_path: Path) -> None:
    content = {
        f"{name}/{i:03}.png": encoded(picture((99, 99, 99), size=size, seed=i + 1000 * size[0]))
        for name, size in (("cat", (16, 16)), ("dog", (20, 16)))
        for i in range(60)
    }
    (result,) = [r for r in examine_data(load(as_folder(tmp_path / "d", content))) if r.name == "target_leakage"]
    assert result.verdict is Verdict.WARNING
    assert [f.code for f in result.findings] == ["leak.image_size"]
    assert "the size and colour mode of the images" in result.findings[0].what


# features


@pytest.mark.parametrize("place", ["folder", "zip", "inside"])
def test_pixels_are_those_of_the_files(tmp_path: Path, place: str) -> None:
    content = files()
    dataset = load(places(tmp_path, content)[place])
    features, X = fitted(dataset)
    assert X.dtype == np.uint8
    assert X.shape == (len(dataset.train), 3, 16, 16)
    for row, name in enumerate(dataset.train.frame[PATH]):
        expected = np.asarray(Image.open(io.BytesIO(content[name])).convert("RGB")).transpose(2, 0, 1)
        np.testing.assert_array_equal(X[row], expected)
    assert features.names == ("image",)
    np.testing.assert_array_equal(features.transform(dataset.train.frame), X)


def test_saved_features_take_new_folders(tmp_path: Path) -> None:
    dataset = load(as_folder(tmp_path / "d", files()))
    features, _ = fitted(dataset)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        features.save(tmp_path / name)
    assert (tmp_path / "a/features.json").read_bytes() == (tmp_path / "b/features.json").read_bytes()
    loaded = load_features(tmp_path / "a")
    assert loaded == features
    new = read_table(as_zip(tmp_path / "new.zip", {f"{i}.bmp": encoded(picture((i, 9, 9)), "BMP") for i in range(3)}))
    frame, findings = conform(new.frame, dataset.schema, dataset.target)
    assert loaded.transform(frame).shape == (3, 3, 16, 16)
    assert findings == ()


@pytest.mark.parametrize("damage", ['{"channels": 2}', "{}", '{"height": "x"}'])
def test_damaged_features_are_refused(tmp_path: Path, damage: str) -> None:
    import json

    features, _ = fitted(load(as_folder(tmp_path / "d", files())))
    features.save(tmp_path)
    facts = json.loads((tmp_path / "features.json").read_text())
    change = json.loads(damage)
    facts = {**facts, **change} if change else {"format": 1, "style": "image"}
    (tmp_path / "features.json").write_text(json.dumps(facts))
    with pytest.raises(ArtifactRefused):
        load_features(tmp_path)


def _mode(image: Image.Image, mode: str) -> bytes:
    return encoded(image.convert(mode), "TIFF" if mode == "CMYK" else "PNG")


def test_modes_of_all_kinds_become_one(tmp_path: Path) -> None:
    modes = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]
    content = files(each=20)
    for i, mode in enumerate(modes):
        image = picture((120, 130, 140), seed=i)
        data = (
            encoded(Image.fromarray(np.full((16, 16), 0x7FFF, dtype="uint16")))
            if mode == "I;16"
            else _mode(image, mode)
        )
        content[f"red/mode {i}{'.tif' if mode == 'CMYK' else '.png'}"] = data
    table = read_table(as_folder(tmp_path / "d", content))
    assert "data.images_unreadable" not in codes(table)
    features, _ = fitted(load(tmp_path / "d"))
    X = features.transform(table.frame)
    deep = table.frame[PATH].tolist().index("red/mode 7.png")
    assert (X[deep] == 0x7F).all()


def test_transparent_pixels_lie_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (16, 16), (10, 20, 30, 0))
    content = {**files(), "clear.png": encoded(clear)}
    table = read_table(as_folder(tmp_path / "d", content))
    features, _ = fitted(load(tmp_path / "d"))
    only = table.frame[table.frame[PATH] == "clear.png"].reset_index(drop=True)
    assert (features.transform(only) == 255).all()


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    lying = Image.new("RGB", (24, 16))
    lying.paste((255, 255, 255), (0, 0, 12, 16))  # white on the left: on the top when upright
    as_folder(tmp_path / "d", {"a.png": encoded(lying, "PNG", exif=exif)})
    table = read_table(tmp_path / "d")
    assert "16x24 colour" in table.frame[IMAGE][0]
    features, _ = fitted(load(as_folder(tmp_path / "train", files())), size=[24, 16])
    X = features.transform(table.frame)
    assert (X[0, :, :12] == 255).all()
    assert (X[0, :, 12:] == 0).all()


def test_mixed_sizes_are_resized_to_the_most_common(tmp_path: Path) -> None:
    content = files(each=40)
    content |= {f"red/wide {i}.png": encoded(picture((9, 9, i), size=(40, 10), seed=i)) for i in range(20)}
    dataset = load(as_folder(tmp_path / "d", content))
    features, X = fitted(dataset)
    assert X.shape[1:] == (3, 16, 16)
    (said,) = [f for f in features.findings if f.code == "data.image_pixels"]
    assert "resized to it (stretched" in said.what


def test_large_images_are_made_smaller_and_it_is_said(tmp_path: Path) -> None:
    content = {
        f"{name}/{i}.jpg": encoded(picture(COLOURS[name], size=(320, 200), seed=i), "JPEG")
        for name in ("red", "green")
        for i in range(10)
    }
    dataset = load(as_folder(tmp_path / "d", content))
    features, X = fitted(dataset)
    assert X.shape[1:] == (3, 80, 128)
    assert "data.image_scaled" in {f.code for f in features.findings}
    _, X = fitted(dataset, size=[200, 320])
    assert X.shape[1:] == (3, 200, 320)


def test_grey_images_have_one_channel_unless_asked(tmp_path: Path) -> None:
    content = {n: encoded(Image.open(io.BytesIO(d)).convert("L")) for n, d in files().items()}
    dataset = load(as_folder(tmp_path / "d", content))
    assert fitted(dataset)[1].shape[1:] == (1, 16, 16)
    assert fitted(dataset, channels=3)[1].shape[1:] == (3, 16, 16)


@pytest.mark.parametrize(
    "options", [{"size": [16]}, {"size": "big"}, {"size": [0, 4]}, {"channels": 2}, {"channels": "x"}]
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        fitted(load(as_folder(tmp_path / "d", files())), **options)


def test_an_image_that_vanished_is_named(tmp_path: Path) -> None:
    dataset = load(as_folder(tmp_path / "d", files()))
    features, _ = fitted(dataset)
    (tmp_path / "d" / dataset.train.frame[PATH][0]).unlink()
    with pytest.raises(DataRefused, match="cannot be read any more: there is no such file"):
        features.transform(dataset.train.frame)


def test_a_path_cannot_lead_out_of_its_place(tmp_path: Path) -> None:
    dataset = load(as_folder(tmp_path / "d", files()))
    (tmp_path / "secret.png").write_bytes(files()["red/000.png"])
    features, _ = fitted(dataset)
    frame = dataset.train.frame.assign(**{PATH: "../secret.png"})
    with pytest.raises(DataRefused, match="leads out"):
        features.transform(frame)


def test_tables_get_thumbnails(tmp_path: Path) -> None:
    dataset = load(as_folder(tmp_path / "d", files()))
    features, X = fit_features(
        dataset.train, dataset.schema, dataset.target, style="native", accepts_sparse=False, seeds=Seeds(0)
    )
    assert X.shape == (len(dataset.train), 8 * 8 * 3)
    assert features.names[0] == "image[0,0].red"
    assert "192 columns of pixels" in features.findings[0].what
    image = Image.open(tmp_path / "d" / dataset.train.frame[PATH][0]).resize((8, 8), Image.Resampling.BOX)
    np.testing.assert_array_equal(np.asarray(X)[0].reshape(3, 8, 8), np.asarray(image).transpose(2, 0, 1))
    (tmp_path / "f").mkdir()
    features.save(tmp_path / "f")
    np.testing.assert_array_equal(load_features(tmp_path / "f").transform(dataset.train.frame), X)


def test_a_table_gives_no_images(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(100), "b": np.arange(100) % 7 + 0.5, "label": ["x", "y"] * 50})
    dataset = load_dataset(Data(target="label"), task="auto", seed=0, base=tmp_path, frames={"train": frame})
    with pytest.raises(SpecError, match="the data is a table"):
        fitted(dataset)
