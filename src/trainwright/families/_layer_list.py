"""A network as a list of layers: read, with every mistake named by its position, and shapes followed in plain Python.

A layer is a name (``relu``), a name with its main option (``linear: 128``), or with all of them (``conv2d: {channels:
32, kernel: 5}``). `read_layers` gives each as a mapping with ``kind`` and every option.

Shapes are those of one row. A vector is ``(width,)``, a sequence ``(length, width)`` whichever layer made it, an image
``(channels, height, width)``. An unknown size is None; an unknown shape, as after a mistake, is None as a whole and
goes through every layer.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias

from trainwright.core.jsonable import JsonValue
from trainwright.families._param_rules import FLAG, Rule, choice, number, whole
from trainwright.families.contract import ParamProblem

Shape: TypeAlias = tuple[int | None, ...]
Options: TypeAlias = Mapping[str, JsonValue]

_SIZE = whole(1)
_SHARE = number(0, 1, below=True)
_VECTOR, _SEQUENCE, _IMAGE = 1, 2, 3
_CALLED = {_VECTOR: "a vector", _SEQUENCE: "a sequence (length, width)", _IMAGE: "an image (channels, height, width)"}


@dataclass(frozen=True, slots=True)
class Rows:
    """What a layer is given: the shape of one row, and whether its cells are ids of words instead of numbers."""

    shape: Shape | None
    ids: bool = False


class _Wrong(Exception):
    """A layer that cannot follow the one before."""

    def __init__(self, what: str, fix: str = "") -> None:
        self.what, self.fix = what, fix
        super().__init__(what)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of layer: its options (a None default is one that must be given), the main one, what it does to shapes."""

    after: Callable[[Options, Shape], Shape]
    takes: tuple[int, ...]
    main: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    defaults: Options = field(default_factory=dict)


def read_layers(given: JsonValue, rows: Rows) -> tuple[list[JsonValue], list[ParamProblem]]:
    """The layers with all their options, and everything wrong with them."""
    if not isinstance(given, list | tuple):
        what = f"must be a list of layers, got {given!r}"
        return [], [ParamProblem(name="layers", what=what, fix="write for example [{linear: 128}, relu]")]
    layers, found, end = _read(given, rows, "layers")
    if not found and end.ids:
        found.append(ParamProblem(name="layers", what="ends with ids of words", fix="start with {embedding: 64}"))
    elif not found and end.shape is not None and len(end.shape) != _VECTOR:
        fix = "end with global_avgpool, flatten or {lstm: 64}" if len(end.shape) == _SEQUENCE else "end with flatten"
        what = f"must end with a vector, for the last linear layer, and ends with {called(end.shape)}"
        found.append(ParamProblem(name=f"layers.{max(0, len(given) - 1)}", what=what, fix=fix))
    return layers, found


def called(shape: Shape) -> str:
    """A shape in words: ``a sequence (length, width) of 20 x 64``."""
    sizes = " x ".join("?" if size is None else str(size) for size in shape)
    return f"{_CALLED.get(len(shape), 'an array')} of {sizes}"


def _read(given: Iterable[JsonValue], rows: Rows, where: str) -> tuple[list[JsonValue], list[ParamProblem], Rows]:
    layers: list[JsonValue] = []
    found: list[ParamProblem] = []
    for i, item in enumerate(given):
        layer, wrong, rows = _read_one(item, rows, f"{where}.{i}")
        layers.append(layer)
        found += wrong
    return layers, found, rows


def _read_one(item: JsonValue, rows: Rows, where: str) -> tuple[dict[str, JsonValue], list[ParamProblem], Rows]:
    """One layer, what is wrong with it, and what it gives."""
    unknown = Rows(None)
    try:
        name, value = _named(item)
        if name == "residual":
            return _read_residual(value, rows, where)
        kind = _KINDS[name]
        options = _options(name, value)
    except _Wrong as wrong:
        return {}, [ParamProblem(name=where, what=wrong.what, fix=wrong.fix)], unknown
    found = _option_problems(name, options, where)
    if found:
        return {}, found, unknown
    layer = {"kind": name, **kind.defaults, **{key: _plain(kind.rules[key], v) for key, v in options.items()}}
    try:
        return layer, [], _after(name, layer, rows)
    except _Wrong as wrong:
        return layer, [ParamProblem(name=where, what=wrong.what, fix=wrong.fix)], unknown


def _read_residual(value: JsonValue, rows: Rows, where: str) -> tuple[dict[str, JsonValue], list[ParamProblem], Rows]:
    if not isinstance(value, list | tuple) or not value:
        raise _Wrong("needs a list of layers", "write {residual: [{linear: 64}, relu]}")
    layers, found, end = _read(value, rows, f"{where}.residual")
    if not found and rows.ids:
        found.append(ParamProblem(name=where, what="cannot add to ids of words", fix="put {embedding: 64} before it"))
    if not found and rows.shape is not None and end.shape is not None and not _may_equal(rows.shape, end.shape):
        what = f"adds {called(end.shape)} to its input, {called(rows.shape)}: the shapes must be equal"
        fix = "end it with a layer of the input's width" if len(rows.shape) == len(end.shape) else "keep the dimensions"
        found.append(ParamProblem(name=where, what=what, fix=fix))
    return {"kind": "residual", "layers": layers}, found, Rows(None) if found else rows


def _named(item: JsonValue) -> tuple[str, JsonValue]:
    """The canonical name of a layer and what stands behind it (None: nothing)."""
    if isinstance(item, str):
        return _canonical(item), None
    if not isinstance(item, Mapping) or not item:
        raise _Wrong(f"is no layer: {item!r}", "write a name (relu) or a name with its option ({linear: 128})")
    if len(item) > 1:
        names = ", ".join(map(str, item))
        raise _Wrong(
            f"holds several layers in one item ({names})", "one layer an item; options go inside: {dropout: 0.1}"
        )
    ((name, value),) = item.items()
    return _canonical(str(name)), value


def _canonical(name: str) -> str:
    plain = name.strip().lower().replace("-", "_")
    plain = _ALIASES.get(plain, plain)
    known = sorted({*_KINDS, "residual"})
    if plain in known:
        return plain
    close = difflib.get_close_matches(plain, [*known, *_ALIASES], n=1)
    raise _Wrong(f"unknown layer {name!r}", f"did you mean {close[0]!r}?" if close else f"layers: {', '.join(known)}")


def _options(name: str, value: JsonValue) -> dict[str, JsonValue]:
    kind = _KINDS[name]
    if isinstance(value, Mapping):
        return {str(key): v for key, v in value.items()}
    if value is None:
        return {}
    if not kind.main:
        raise _Wrong(f"{name} takes no value, got {value!r}", f"write {name} alone")
    return {kind.main: value}


def _option_problems(name: str, options: Options, where: str) -> list[ParamProblem]:
    kind = _KINDS[name]
    found = []
    for key, value in options.items():
        if key not in kind.rules:
            close = difflib.get_close_matches(key, kind.rules, n=1)
            known = f"it has {', '.join(kind.rules)}" if kind.rules else "it has none"
            fix = f"did you mean {close[0]!r}?" if close else known
            found.append(ParamProblem(name=f"{where}.{key}", what=f"{name} has no such option", fix=fix))
        elif broken := kind.rules[key].broken_by(value):
            found.append(ParamProblem(name=f"{where}.{key}", what=broken))
    if not found and kind.main and kind.main not in options and kind.main not in kind.defaults:
        example = "0.1" if kind.main == "share" else "64"
        what, fix = f"{name} needs its {kind.main}", f"write {{{name}: {example}}}"
        found.append(ParamProblem(name=where, what=what, fix=fix))
    return found


def _after(name: str, layer: Options, rows: Rows) -> Rows:
    kind = _KINDS[name]
    if rows.shape is None:
        return Rows(None)
    if rows.ids != (name == "embedding"):
        if rows.ids:
            raise _Wrong(f"{name} needs numbers and gets ids of words", "put {embedding: 64} before it")
        raise _Wrong("embedding needs ids of words and gets numbers", "remove it; tables embed their categories anyway")
    if len(rows.shape) not in kind.takes:
        wanted = " or ".join(_CALLED[rank] for rank in kind.takes)
        raise _Wrong(f"{name} needs {wanted} and gets {called(rows.shape)}", _bridge(len(rows.shape), kind.takes))
    return Rows(kind.after(layer, rows.shape))


def _bridge(rank: int, takes: tuple[int, ...]) -> str:
    if rank > _VECTOR and _VECTOR in takes:
        return "put flatten or global_avgpool before it"
    if rank == _VECTOR:
        return "the rows are vectors here: use linear, or move it before what makes them vectors"
    return {_SEQUENCE: "for sequences: conv1d, lstm, gru", _IMAGE: "for images: conv2d, maxpool, avgpool"}.get(rank, "")


def _may_equal(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(x is None or y is None or x == y for x, y in zip(a, b, strict=True))


def _same(_: Options, shape: Shape) -> Shape:
    return shape


def _wide(option: str) -> Callable[[Options, Shape], Shape]:
    return lambda layer, shape: (*shape[:-1], _int(layer, option))


def _embedded(layer: Options, shape: Shape) -> Shape:
    return (*shape, _int(layer, "width"))


def _flat(_: Options, shape: Shape) -> Shape:
    return (None,) if None in shape else (prod(size or 0 for size in shape),)


def _conv1d(layer: Options, shape: Shape) -> Shape:
    return (_slid(shape[0], layer, "length"), _int(layer, "channels"))


def _conv2d(layer: Options, shape: Shape) -> Shape:
    return (_int(layer, "channels"), _slid(shape[1], layer, "height"), _slid(shape[2], layer, "width"))


def _pooled(layer: Options, shape: Shape) -> Shape:
    if len(shape) == _SEQUENCE:
        return (_slid(shape[0], layer, "length"), shape[1])
    return (shape[0], _slid(shape[1], layer, "height"), _slid(shape[2], layer, "width"))


def _slid(size: int | None, layer: Options, side: str) -> int | None:
    """How many places a window has along one side."""
    if size is None:
        return None
    kernel = _int(layer, "kernel") if "kernel" in layer else _int(layer, "size")
    padding = _padding(layer, kernel)
    stride = kernel if layer.get("stride") is None and "size" in layer else _int(layer, "stride")
    left = size + 2 * padding - kernel
    if left < 0:
        raise _Wrong(
            f"a window of {kernel} does not fit into a {side} of {size}", "make it smaller, or pool less before"
        )
    return left // stride + 1


def _padding(layer: Options, kernel: int) -> int:
    given = layer.get("padding", 0)
    return kernel // 2 if given is None else _int(layer, "padding") if "padding" in layer else 0


def _global(_: Options, shape: Shape) -> Shape:
    return (shape[0],) if len(shape) == _IMAGE else (shape[1],)


def _recurrent(layer: Options, shape: Shape) -> Shape:
    width = _int(layer, "width") * (2 if layer["bidirectional"] else 1)
    return (width,) if layer["output"] == "last" else (shape[0], width)


def _turned(_: Options, shape: Shape) -> Shape:
    return (shape[1], shape[0])


def _int(layer: Options, option: str) -> int:
    value = layer[option]
    assert isinstance(value, int), option
    return value


def _plain(rule: Rule, value: JsonValue) -> JsonValue:
    return int(value) if rule.kind == "whole" and isinstance(value, float) else value


_ANY = (_VECTOR, _SEQUENCE, _IMAGE)
_CONV_RULES = {"channels": _SIZE, "kernel": _SIZE, "stride": _SIZE, "padding": whole(0), "groups": _SIZE, "bias": FLAG}
# padding None: half the kernel, so that a stride of 1 keeps the size of an odd one
_CONV_DEFAULTS: Options = {"kernel": 3, "stride": 1, "padding": None, "groups": 1, "bias": True}
_POOL = _Kind(
    after=_pooled,
    takes=(_SEQUENCE, _IMAGE),
    main="size",
    rules={"size": _SIZE, "stride": _SIZE},
    defaults={"size": 2, "stride": None},
)
_RECURRENT = _Kind(
    after=_recurrent,
    takes=(_SEQUENCE,),
    main="width",
    rules={
        "width": _SIZE,
        "layers": _SIZE,
        "bidirectional": FLAG,
        "dropout": _SHARE,
        "output": choice("last", "all"),
    },
    defaults={"layers": 1, "bidirectional": False, "dropout": 0.0, "output": "last"},
)
ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid")
_KINDS: Mapping[str, _Kind] = {
    "linear": _Kind(
        after=_wide("width"),
        takes=(_VECTOR, _SEQUENCE),
        main="width",
        rules={"width": _SIZE, "bias": FLAG},
        defaults={"bias": True},
    ),
    "conv1d": _Kind(after=_conv1d, takes=(_SEQUENCE,), main="channels", rules=_CONV_RULES, defaults=_CONV_DEFAULTS),
    "conv2d": _Kind(after=_conv2d, takes=(_IMAGE,), main="channels", rules=_CONV_RULES, defaults=_CONV_DEFAULTS),
    "maxpool": _POOL,
    "avgpool": _POOL,
    "global_avgpool": _Kind(after=_global, takes=(_SEQUENCE, _IMAGE)),
    "global_maxpool": _Kind(after=_global, takes=(_SEQUENCE, _IMAGE)),
    "flatten": _Kind(after=_flat, takes=_ANY),
    "transpose": _Kind(after=_turned, takes=(_SEQUENCE,)),
    "batchnorm": _Kind(after=_same, takes=_ANY),
    "layernorm": _Kind(after=_same, takes=_ANY),
    "dropout": _Kind(after=_same, takes=_ANY, main="share", rules={"share": _SHARE}),
    "embedding": _Kind(after=_embedded, takes=(_VECTOR,), main="width", rules={"width": _SIZE}),
    "lstm": _RECURRENT,
    "gru": _RECURRENT,
    **{name: _Kind(after=_same, takes=_ANY) for name in ACTIVATIONS},
}
_ALIASES = {
    "dense": "linear",
    "fc": "linear",
    "fully_connected": "linear",
    "conv": "conv2d",
    "max_pool": "maxpool",
    "maxpool1d": "maxpool",
    "maxpool2d": "maxpool",
    "max_pool2d": "maxpool",
    "avg_pool": "avgpool",
    "avgpool1d": "avgpool",
    "avgpool2d": "avgpool",
    "gap": "global_avgpool",
    "global_avg_pool": "global_avgpool",
    "global_max_pool": "global_maxpool",
    "batch_norm": "batchnorm",
    "batchnorm1d": "batchnorm",
    "batchnorm2d": "batchnorm",
    "layer_norm": "layernorm",
    "leakyrelu": "leaky_relu",
    "swish": "silu",
}
