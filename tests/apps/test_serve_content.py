"""What `serve` takes beside rows of tables: images, arrays, texts, and levels of intervals; asked in this process."""

import asyncio
import base64
import io
import json
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import trainwright
from tests.data.pictures import COLOURS, as_folder, as_zip, encoded, files, picture
from tests.pipeline.builders import spec, table
from trainwright.apps.scoring_app import make_app
from trainwright.apps.serving_metrics import Counters
from trainwright.core.errors import DataRefused

pytest.importorskip("starlette")

pytestmark = pytest.mark.slow

WORDS = ["sun", "rain", "wind", "snow", "cloud", "storm"]


def ask(run: Path, path: str, body: object = None) -> tuple[int, Any]:
    """Status and answer of one request to a server of this run, without a socket."""
    app = make_app(trainwright.open_model(run), Counters(), host="127.0.0.1", max_body_bytes=1_000_000)
    sent: list[MutableMapping[str, Any]] = []
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 2), "method": "GET" if body is None else "POST",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(one.get("body", b"") for one in sent[1:]))


def train(
    folder: Path, model: str, data: dict[str, object], *, frame: pd.DataFrame | None = None, **more: object
) -> Path:
    """A small run of a kind of data."""
    return trainwright.train({**spec(model, baselines=[]), "data": data, **more}, out=folder, train=frame).run


def packed(*images: bytes) -> dict[str, object]:
    return {"images": [base64.b64encode(one).decode() for one in images]}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    as_zip(folder / "photos.zip", {f"photos/{n}": d for n, d in files(("red", "green", "blue")).items()})
    return train(folder, "linear", {"train_path": str(folder / "photos.zip"), "target": "label"})


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arrays")
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, 200)
    X = (draw.normal(size=(200, 4, 6)) + y[:, None, None]).astype(np.float32)
    np.savez(folder / "rows.npz", X=X, y=np.where(y == 1, "up", "down"))
    return train(folder, "linear", {"train_path": str(folder / "rows.npz"), "target": "y"})


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(0)
    good = draw.random(240) < 0.5
    texts = [f"{' '.join(draw.choice(WORDS, 6))} {'good' if one else 'awful'} {i}" for i, one in enumerate(good)]
    frame = pd.DataFrame({"review": texts, "y": np.where(good, "yes", "no")})
    data: dict[str, object] = {"target": "y", "columns": {"text": ["review"]}}
    return train(tmp_path_factory.mktemp("reviews"), "linear", data, frame=frame)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    draw = np.random.default_rng(1)
    (folder / "story.txt").write_text(
        "".join(f"{draw.choice(WORDS)} {i} met {draw.choice(WORDS)} in the {draw.choice(WORDS)}.\n" for i in range(200))
    )
    wanted = {"train_path": str(folder / "story.txt"), "stretch": 64}
    return train(folder, "ngram", wanted, task="language")


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data: dict[str, object] = {"target": "y"}
    return train(tmp_path_factory.mktemp("prices"), "linear", data, frame=table("regression", rows=300))


def test_images_are_scored_in_their_order_as_predict_scores_them(photos: Path, tmp_path: Path) -> None:
    given = [
        encoded(picture(COLOURS["green"], size=(20, 30)), "JPEG"),
        encoded(picture(COLOURS["red"])),
        encoded(picture(COLOURS["blue"], size=(5, 5), seed=3)),
    ] * 5
    status, told = ask(photos, "/predict", packed(*given))
    assert status == 200, told
    assert [one["prediction"] for one in told["predictions"][:3]] == ["green", "red", "blue"]
    as_folder(tmp_path / "new", {f"{i:02}.png": one for i, one in enumerate(given)})
    expected = trainwright.predict(photos, tmp_path / "new").frame.drop(columns="path")
    pd.testing.assert_frame_equal(pd.DataFrame(told["predictions"]), expected, check_exact=True)
    assert told["findings"] == []  # nothing of the folder they were written to


def bomb() -> bytes:
    """Some kilobytes that unpack to 64 million pixels."""
    return encoded(Image.new("L", (8_000, 8_000)))


def cut() -> bytes:
    return encoded(picture((1, 2, 3)))[:-30]


WRONG_IMAGES: dict[str, tuple[Callable[[], object], int, str]] = {
    "no base64": (lambda: {"images": ["%%%"]}, 422, "images, 0: no base64"),
    "another alphabet": (lambda: {"images": ["a-_="]}, 422, "images, 0: no base64"),
    "no image": (lambda: packed(b"hello"), 422, "image 0: PNG or JPEG is required"),
    "another format": (lambda: packed(encoded(picture((1, 2, 3)), "GIF")), 422, "image 0: PNG or JPEG is required"),
    "cut": (lambda: packed(encoded(picture((1, 2, 3))), cut()), 422, "image 1 cannot be read"),
    "only a damaged one": (lambda: packed(cut()), 422, "image 0 cannot be read"),
    "a signature alone": (lambda: packed(b"\x89PNG\r\n\x1a\n"), 422, "image 0 cannot be read"),
    "a bomb": (lambda: packed(bomb()), 422, "64 million pixels together"),
    "several that are large together": (
        lambda: packed(*[encoded(Image.new("L", (5_000, 5_000)))] * 3),
        422,
        "75 milli",
    ),
    "none": (lambda: {"images": []}, 422, "at least one PNG or JPEG"),
    "no list": (lambda: {"images": "abcd"}, 422, "at least one PNG or JPEG"),
    "numbers": (lambda: {"images": [1]}, 422, "images, 0: a text is needed"),
    "too many": (lambda: {"images": [""] * 10_001}, 413, "at most 10,000 rows"),
    "rows": (lambda: {"rows": [{"path": "/etc/passwd"}]}, 422, 'must be {"images"'),
    "both": (lambda: {**packed(b""), "rows": []}, 422, 'must be {"images"'),
    "a level": (lambda: {**packed(encoded(picture((1, 2, 3)))), "interval": 0.9}, 422, "intervals are for regressions"),
}


@pytest.mark.parametrize(("body", "status", "words"), WRONG_IMAGES.values(), ids=WRONG_IMAGES.keys())
def test_images_that_cannot_be_scored(photos: Path, body: Callable[[], object], status: int, words: str) -> None:
    found, told = ask(photos, "/predict", body())
    assert (found, told["status"]) == (status, "error")
    assert words in told["error"]
    assert "/tmp" not in told["error"]


def test_arrays_are_scored_as_predict_scores_them(arrays: Path, tmp_path: Path) -> None:
    X = np.random.default_rng(5).normal(size=(7, 4, 6)).astype(np.float32)
    status, told = ask(arrays, "/predict", {"arrays": X.tolist()})
    assert status == 200, told
    np.savez(tmp_path / "new.npz", X=X)
    expected = trainwright.predict(arrays, tmp_path / "new.npz").frame.drop(columns="path", errors="ignore")
    pd.testing.assert_frame_equal(pd.DataFrame(told["predictions"]), expected, check_exact=True)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[[1.0]], [[1.0, 2.0]]], "lists of equal lengths"),
        ([[["1"]]], "must be numbers"),
        ([[[None]]], "must be numbers"),
        ([[[True]]], "must be numbers"),
        ([[[10**400]]], "must be numbers"),
        ([[[1e300]]], "finite"),
        ([[], []], "finite"),
        ([1.0], "finite"),
        (5, "at least one array"),
    ],
)
def test_arrays_that_cannot_be_scored(arrays: Path, values: object, words: str) -> None:
    status, told = ask(arrays, "/predict", {"arrays": values})
    assert (status, told["status"]) == (422, "error")
    assert words in told["error"]


def test_texts_are_rows_of_the_one_column(reviews: Path) -> None:
    texts = ["sun rain good", "snow awful", ""]
    status, told = ask(reviews, "/predict", {"texts": texts})
    assert status == 200, told
    assert [one["prediction"] for one in told["predictions"][:2]] == ["yes", "no"]
    assert ask(reviews, "/predict", {"rows": [{"review": one} for one in texts]})[1] == told
    assert ask(reviews, "/predict", {"texts": ["a", None]})[1]["error"] == "texts, 1: a text is needed, got NoneType"
    assert ask(reviews, "/schema")[1]["request"]["keys"] == ["rows", "texts"]


def test_a_text_is_scored_as_its_file(story: Path, tmp_path: Path) -> None:
    text = "The sun met the rain, and both went on.\n" * 5
    status, told = ask(story, "/predict", {"text": text})
    assert status == 200, told
    (tmp_path / "new.txt").write_text(text)
    expected = trainwright.predict(story, tmp_path / "new.txt").frame
    pd.testing.assert_frame_equal(pd.DataFrame(told["predictions"]), expected, check_exact=True, check_dtype=False)
    for body, code, words in [
        ({"text": ""}, 422, "it is empty"),
        ({"text": 5}, 422, 'must be {"text"'),
        ({"text": "x" * 100_001}, 413, "at most 100,000 characters"),
        ({"text": text, "interval": 0.9}, 422, "intervals are for regressions"),
        ({"rows": [{"text": text}]}, 422, 'must be {"text"'),
    ]:
        status, told = ask(story, "/predict", body)
        assert (status, told["status"]) == (code, "error")
        assert words in told["error"]


def test_a_level_adds_the_ends_of_intervals(prices: Path) -> None:
    rows = table("regression", rows=5, seed=4).drop(columns=["y", "x2"]).assign(x2=0.5)
    status, told = ask(prices, "/predict", {"rows": rows.to_dict("records"), "interval": 0.9})
    assert status == 200, told
    expected = trainwright.predict(prices, rows, interval=0.9).frame
    pd.testing.assert_frame_equal(pd.DataFrame(told["predictions"]), expected, check_exact=True)
    plain = ask(prices, "/predict", {"rows": rows.to_dict("records"), "interval": None})[1]["predictions"]
    assert list(plain[0]) == ["prediction"]
    for level, words in [
        (90, "above 0 and below 1"),
        ("0.9", "must be a number"),
        (True, "a number"),
        (0.999, "needs"),
    ]:
        status, told = ask(prices, "/predict", {"rows": rows.to_dict("records"), "interval": level})
        assert (status, told["status"]) == (422, "error")
        assert words in told["error"]


def test_the_schema_tells_the_form_of_a_request(photos: Path, arrays: Path, story: Path, prices: Path) -> None:
    told = {name: ask(run, "/schema")[1]["request"] for name, run in
            {"images": photos, "arrays": arrays, "text": story, "rows": prices}.items()}  # fmt: skip
    assert {name: one["keys"] for name, one in told.items()} == {name: [name] for name in told}
    assert "BASE64" in told["images"]["form"]
    assert told["images"]["most_pixels"] == 50_000_000
    assert [name for name, one in told.items() if "interval" in one] == ["rows"]


def test_a_hand_off_of_images_is_served_too(photos: Path) -> None:
    status, told = ask(photos / "handoff", "/predict", packed(encoded(picture(COLOURS["red"]))))
    assert (status, told["predictions"][0]["prediction"]) == (200, "red")


def test_content_of_another_form_is_refused_by_the_model(prices: Path) -> None:
    from trainwright.stages.in_memory import score_images

    with pytest.raises(DataRefused, match="this model was trained on a table"):
        score_images(trainwright.open_model(prices), [encoded(picture((1, 2, 3)))])


def test_a_picture_may_be_turned_and_transparent(photos: Path) -> None:
    """What a phone writes: decoded as in training."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(COLOURS["green"], size=(8, 20)).save(buffer, "JPEG", exif=exif)
    clear = encoded(picture(COLOURS["blue"]).convert("RGBA"))
    status, told = ask(photos, "/predict", packed(buffer.getvalue(), clear))
    assert (status, [one["prediction"] for one in told["predictions"]]) == (200, ["green", "blue"])
