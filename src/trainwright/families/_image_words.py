"""What families of images share: the size and channels of a row, and what is done to training images."""

from collections.abc import Mapping

from trainwright.core.jsonable import JsonValue
from trainwright.families._param_rules import LIST, Rule, choice
from trainwright.families.contract import ParamProblem, Request

INPUT = ("image_size", "channels")
"""Parameters of the features, not of the network; both may be ``auto``."""
RULES: Mapping[str, Rule] = {"image_size": LIST, "channels": choice(1, 3)}
_SMALLEST, _LARGEST = 8, 1024  # pixels a side (assumption: beyond, another network is called for)
_CROP = 8  # He et al. 2016: 4 of 32 pixels


def size_problems(size: JsonValue) -> list[ParamProblem]:
    """Whether ``image_size``, where it is given and not ``auto``, is one."""
    good = isinstance(size, list | tuple) and len(size) == 2
    if good and isinstance(size, list | tuple):
        good = all(type(side) is int and _SMALLEST <= side <= _LARGEST for side in size)
    if size is None or good:
        return []
    what = f"must be [height, width] from {_SMALLEST} to {_LARGEST} pixels, got {size!r}"
    return [ParamProblem(name="image_size", what=what, fix="write auto, or for example [64, 64]")]


def augment(values: Mapping[str, JsonValue], request: Request) -> dict[str, JsonValue]:
    """Grey images are often digits, letters or scans, where left and right matter: only colour images are flipped."""
    channels, height, width = request.image or (3, 32, 32)
    size, asked = values["image_size"], values["channels"]
    if isinstance(size, list | tuple):
        height, width = (int(str(side)) for side in size)
    return {"flip": (asked if asked != "auto" else channels) == 3, "crop": min(height, width) // _CROP}
