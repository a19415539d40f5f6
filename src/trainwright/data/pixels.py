"""One image: bytes to pixels with Pillow, and the short text that stands for it in a table.

The text is ``DIGEST WIDTHxHEIGHT grey|colour THUMBNAIL``: equal pixels give equal texts, wherever the files lie and
however they were compressed, so that rows can be compared without decoding again. The thumbnail is 8 x 8 RGB in
base64, for models that take tables.
"""

import base64
import hashlib
import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from trainwright.data.image_source import NotReadable
from trainwright.run.environment import available_cores

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Decoders that are used; Pillow has dozens, some for formats with programs in them (EPS)."""
MOST_PIXELS = 89_478_485  # Pillow's own limit (Image.MAX_IMAGE_PIXELS): a quarter of a gigabyte as RGB
THUMBNAIL = 8  # side; assumption: 8 x 8 x 3 = 192 columns show colour and layout, and no more
_ORIENTATION = 0x0112  # the EXIF tag
_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # 16 bits a pixel

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def decode(data: bytes) -> "Image.Image":
    """The whole image upright, in mode ``L`` (grey) or ``RGB``.

    Transparent pixels lie on white, as a browser shows them; of 16 bits the upper 8 stay; of several frames the first.

    Raises:
        NotReadable: no image, truncated, or above `MOST_PIXELS`.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise NotReadable(f"{width} x {height} pixels, more than the {MOST_PIXELS / 1e6:.0f} million allowed")
            if opened.mode == "F":
                raise NotReadable("pixels are real numbers; 8 or 16 bits are read")
            opened.load()
            return _plain(_upright(opened))
    except NotReadable:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        raise NotReadable(str(error) or type(error).__name__) from error


def dimensions(data: bytes) -> tuple[int, int]:
    """(width, height) as the image's header says; nothing is decoded.

    Raises:
        NotReadable: no image.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            return int(opened.width), int(opened.height)
    except Exception as error:  # a decoder may raise anything on damaged bytes
        raise NotReadable(str(error) or type(error).__name__) from error


def describe(picture: "Image.Image") -> str:
    """The text that stands for a decoded image."""
    from PIL import Image

    colour = picture.convert("RGB")
    size = f"{picture.width}x{picture.height}"
    digest = hashlib.blake2b(size.encode() + colour.tobytes(), digest_size=16).hexdigest()
    small = colour.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    packed = base64.b64encode(small.tobytes()).decode()
    return f"{digest} {size} {'grey' if picture.mode == 'L' else 'colour'} {packed}"


def to_array(picture: "Image.Image", *, channels: int, height: int, width: int) -> "np.ndarray":
    """uint8 of shape (channels, height, width); other sizes are resized with an antialiasing (bilinear) filter."""
    import numpy as np
    from PIL import Image

    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.moveaxis(pixels, 2, 0)


def traits(values: "pd.Series") -> "pd.Series":
    """What is known of images without looking at what they show: ``32x32 colour``."""
    return values.str.split(" ").str[1:3].str.join(" ")


def sizes(values: "pd.Series") -> list[tuple[int, int]]:
    """(height, width) of every image."""
    pairs = (text.split(" ")[1].split("x") for text in values)
    return [(int(height), int(width)) for width, height in pairs]


def all_grey(values: "pd.Series") -> bool:
    """Whether every image is stored in shades of grey."""
    return bool((values.str.split(" ").str[2] == "grey").all())


def thumbnails(values: "pd.Series") -> "np.ndarray":
    """uint8 of shape (rows, 8, 8, 3)."""
    import numpy as np

    packed = b"".join(base64.b64decode(text.rsplit(" ", 1)[1]) for text in values)
    return np.frombuffer(packed, dtype=np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL, 3)


def is_reference(values: "pd.Series") -> bool:
    """Whether a column holds texts of `describe`."""
    import re

    first = str(values.iloc[0]) if len(values) else ""
    return re.match(r"[0-9a-f]{32} \d+x\d+ (grey|colour) ", first) is not None


def each(work: "Callable[[_In], _Out]", items: "Iterable[_In]") -> "list[_Out]":
    """``work`` on every item in threads (Pillow decodes outside Python's lock); results in the order of the items."""
    with _quiet(), ThreadPoolExecutor(max_workers=max(1, min(8, available_cores()))) as pool:
        return list(pool.map(work, items))


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns of odd metadata, which says nothing here, and of bombs, which is an error here."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _upright(picture: "Image.Image") -> "Image.Image":
    from PIL import ImageOps

    turned = picture.getexif().get(_ORIENTATION, 1) != 1
    return ImageOps.exif_transpose(picture) if turned else picture


def _plain(picture: "Image.Image") -> "Image.Image":
    import numpy as np
    from PIL import Image

    if picture.mode in _DEEP:
        return Image.fromarray(np.clip(np.asarray(picture).astype(np.int64) >> 8, 0, 255).astype(np.uint8))
    grey = picture.mode in ("1", "L", "LA", "La")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        above = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    return picture.convert("L" if grey else "RGB")
