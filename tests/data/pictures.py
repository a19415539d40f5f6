"""Small images of two or more classes, in folders and zips."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}


def picture(colour: tuple[int, int, int], *, size: tuple[int, int] = (16, 16), seed: int = 0) -> Image.Image:
    """Noise around a colour; ``size`` is (width, height)."""
    noise = np.random.default_rng(seed).integers(-40, 41, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype("uint8"))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def files(classes: tuple[str, ...] = ("red", "green"), each: int = 40) -> dict[str, bytes]:
    """``red/000.png`` and so on, every image another one."""
    return {
        f"{name}/{i:03}.png": encoded(picture(COLOURS[name], seed=i + 1000 * number))
        for number, name in enumerate(classes)
        for i in range(each)
    }


def as_folder(folder: Path, content: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, data in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def as_zip(path: Path, content: dict[str, bytes]) -> Path:
    """Write a zip of the files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path
