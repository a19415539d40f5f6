"""timm where it can be had: beside a CPU build of torch, PyPI's torchvision misses operators that timm never calls."""

import importlib
import importlib.util
import sys

import pytest

_DEFINED: list[object] = []  # a library of operators is gone with its object
_MISSED = ("nms", "qnms")


def needs_timm() -> None:
    """Skip the test without timm; define the operators that torchvision's import asks for, where it has none."""
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    pytest.importorskip("torch")
    try:
        importlib.import_module("timm")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        from torch import library as custom

        operators = custom.Library("torchvision", "DEF")
        for name in _MISSED:
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DEFINED.append(operators)
        for name in [n for n in sys.modules if n.split(".")[0] in ("timm", "torchvision")]:
            del sys.modules[name]
        importlib.import_module("timm")
