"""Families that are reached by how ``model_type`` is spelled, not by a plug-in's name."""

from collections.abc import Mapping
from typing import cast

from trainwright.families import _hf, _own, _timm
from trainwright.families.contract import Family

FAMILIES: Mapping[str, Family] = {
    _own.NAME: cast(Family, _own),
    _timm.NAME: cast(Family, _timm),
    _hf.NAME: cast(Family, _hf),
}
SPELLINGS: Mapping[str, str] = {_own.NAME: "./FILE.py:NAME", _timm.NAME: "timm/NAME", _hf.NAME: "hf/PATH"}
"""How each is written."""


def family_of(model_type: str) -> str | None:
    """The name of the family a ``model_type`` is a spelling of; None for a plug-in's name."""
    for name, prefix in ((_timm.NAME, _timm.PREFIX), (_hf.NAME, _hf.PREFIX)):
        if model_type.startswith(prefix):
            return name
    return _own.NAME if _own.is_file(model_type) else None
