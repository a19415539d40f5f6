"""A booster's own file, as its library writes and reads it: LightGBM's text, XGBoost's UBJSON, CatBoost's cbm.

It takes what the features give, which lie beside it. The library computes what it computes in the native model, so the
predictions are equal bit for bit.
"""

import shutil
from pathlib import Path

from trainwright.core import registry
from trainwright.core.errors import CannotExport
from trainwright.core.jsonable import JsonValue
from trainwright.engines.contract import GivesNativeFile
from trainwright.fit.formats.contract import DOUBLE, EXACT, Delivered, Written, matrix_input

SUMMARY = "The booster's own file, for programs that use LightGBM, XGBoost or CatBoost and nothing of Trainwright"
SAFE = True
EXTRA = "boost"

_NOTE = "the booster takes the output of the features, which lie beside it"


def engines() -> tuple[str, ...]:
    """Those with a file of a library."""
    return tuple(
        name for name in registry.names("engines") if isinstance(registry.load("engines", name), GivesNativeFile)
    )


def write(model: Delivered, folder: Path) -> Written:
    """Copy the library's file of each member.

    Raises:
        CannotExport: the engine has no such file.
        ArtifactRefused: a file is damaged.
    """
    engine = registry.load("engines", model.engine)
    if not isinstance(engine, GivesNativeFile):
        raise CannotExport(f"models of the engine {model.engine} are no file of a booster")
    members: list[JsonValue] = []
    package = ""
    for number, one in enumerate(model.members):
        found = engine.native_file(one.model)
        package = found.package
        name = found.file.name if len(model.members) == 1 else f"{number}-{found.file.name}"
        shutil.copyfile(found.file, folder / name)
        members.append({**found.about, "file": name})
    first = members[0]
    assert isinstance(first, dict)
    links = {one.get("link") for one in members if isinstance(one, dict)}
    return Written(
        file=str(first["file"]),
        inputs=tuple(matrix_input(number, one.rows) for number, one in enumerate(model.members)),
        features="beside",
        runtime=(package,),
        # CatBoost leaves the link to the caller: the exponential of another library may differ in the last place
        tolerance=EXACT if links <= {"identity"} else DOUBLE,
        about={"library": package, "members": members},
        notes=(_NOTE,),
    )
