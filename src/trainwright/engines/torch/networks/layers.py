"""A network from a list of layers, each a mapping with ``kind`` and all options, as its family reads them.

Shapes of one row: vector (width,), sequence (length, width), image (channels, height, width). Widths are taken from
what goes through the layers when they are built. What stands in front depends on the rows: tables by `FlatTable`
(robust scales, one-hot up to 9 levels, else embeddings of 8), images and arrays shifted and scaled by the training
rows, tokens as they are. Behind the last layer comes a linear one to the outputs.

Shapes: rows (B, *inputs.shape) -> scores (B, outputs).
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._norms import BatchNorm1d, BatchNorm2d
from trainwright.engines.torch.networks._params import number, whole
from trainwright.engines.torch.networks._table import ACTIVATIONS, FlatTable, activation
from trainwright.engines.torch.networks.contract import Inputs

_SEQUENCE, _IMAGE = 3, 4  # dimensions with the batch


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights.

    Raises:
        SpecError: a layer does not fit the shape of the rows, which was not known when the spec was checked.
    """
    return Layers(cast("Sequence[Mapping[str, JsonValue]]", params["layers"]), inputs, outputs)


class Layers(nn.Module):
    """``front -> layers -> linear``."""

    def __init__(self, layers: Sequence[Mapping[str, JsonValue]], inputs: Inputs, outputs: int) -> None:
        super().__init__()
        self.pad = inputs.pad
        self.of_tokens = inputs.kind == "tokens"
        self.front = _front(inputs)
        self.layers = nn.ModuleList()
        probe = self._probe(inputs)
        for i, layer in enumerate(layers):
            module, probe = _added(layer, probe, inputs, f"layers.{i}")
            self.layers.append(module)
        if probe.ndim != 2:
            raise SpecError(f"architecture_spec.layers ends with rows of shape {tuple(probe.shape[1:])}: add flatten.")
        self.output = nn.Linear(probe.shape[1], outputs)
        self.train()

    def fit_inputs(self, rows: Tensor) -> None:
        """Learn the scales of the inputs from training rows."""
        fit = getattr(self.front, "fit", None)
        if fit is not None:
            fit(rows)

    def forward(self, x: Tensor) -> Tensor:
        """(B, *inputs.shape) -> (B, outputs)."""
        hidden = self.front(x)
        for layer in self.layers:
            hidden = layer(hidden, self._lengths(x)) if isinstance(layer, Recurrent) else layer(hidden)
        scores: Tensor = self.output(hidden)
        return scores

    def _lengths(self, x: Tensor) -> Tensor | None:
        """The number of tokens of each row before the padding."""
        return (x != self.pad).sum(1).clamp(min=1) if self.of_tokens else None

    @torch.no_grad()
    def _probe(self, inputs: Inputs) -> Tensor:
        dtype = torch.long if self.of_tokens else torch.float32
        probe: Tensor = self.front(torch.zeros(2, *inputs.shape, dtype=dtype))
        return probe


class Recurrent(nn.Module):
    """LSTM or GRU: (B, L, inputs) -> (B, L, width), or the state after the last position, (B, width).

    Rows padded on the right end where their tokens do, as long as the layers before kept the length. With two
    directions the last state is that after the last position beside that before the first.
    """

    def __init__(self, layer: Mapping[str, JsonValue], inputs: int) -> None:
        super().__init__()
        kind = nn.LSTM if layer["kind"] == "lstm" else nn.GRU
        self.width, self.last = whole(layer, "width"), layer["output"] == "last"
        count, both = whole(layer, "layers"), bool(layer["bidirectional"])
        dropout = number(layer, "dropout") if count > 1 else 0.0
        self.cells = kind(inputs, self.width, count, batch_first=True, bidirectional=both, dropout=dropout)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See the class."""
        states: Tensor = self.cells(x)[0]
        if not self.last:
            return states
        forward, backward = states[..., : self.width], states[:, 0, self.width :]
        if lengths is None:
            end = forward[:, -1]
        else:
            place = (lengths.clamp(max=x.shape[1]) - 1).reshape(-1, 1, 1).expand(-1, 1, self.width)
            end = forward.gather(1, place)[:, 0]
        return torch.cat([end, backward], dim=1)


class Residual(nn.Module):
    """``x + layers(x)``."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = x + self.layers(x)
        return out


class OverLength(nn.Module):
    """A layer of torch that wants (B, width, length), for a sequence (B, length, width)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.layer(x.transpose(1, 2))
        return out.transpose(1, 2)


class GlobalPool(nn.Module):
    """The mean or maximum of all positions: (B, L, width) -> (B, width), (B, C, H, W) -> (B, C)."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.largest = name == "global_maxpool"

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        places = (1,) if x.ndim == _SEQUENCE else (2, 3)
        return x.amax(places) if self.largest else x.mean(places)


class Transpose(nn.Module):
    """(B, a, b) -> (B, b, a)."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.transpose(1, 2)


class Standardize(nn.Module):
    """Images (uint8) by channel, arrays as a whole: minus the mean, by the deviation; missing cells become 0."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.channels = inputs.shape[0] if inputs.kind == "image" else 1
        self.image = inputs.kind == "image"
        shape = (self.channels, 1, 1) if self.image else ()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    @torch.no_grad()
    def fit(self, rows: Tensor) -> None:
        """Learn from training rows."""
        for channel in range(self.channels):
            cells = rows[:, channel] if self.image else rows
            present = cells[cells.isfinite()].double()
            deviation = float(present.std(correction=0)) if len(present) else 0.0
            self.mean.view(-1)[channel] = present.mean() if len(present) else 0.0
            self.deviation.view(-1)[channel] = deviation if deviation > 0 else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """(B, *shape) -> the same shape, float32."""
        scaled = (x.float() - self.mean) / self.deviation
        return torch.where(scaled.isfinite(), scaled, 0.0)


def _front(inputs: Inputs) -> nn.Module:
    if inputs.kind == "table":
        return FlatTable(inputs, scaling="robust", one_hot_up_to=9, embedding=8)
    return nn.Identity() if inputs.kind == "tokens" else Standardize(inputs)


def _added(layer: Mapping[str, JsonValue], probe: Tensor, inputs: Inputs, where: str) -> tuple[nn.Module, Tensor]:
    """A layer for what comes to it, in evaluation mode, and what comes out of it."""
    try:
        module = _module(layer, probe, inputs, where).eval()
        with torch.no_grad():
            return module, module(probe)
    except (RuntimeError, ValueError, IndexError) as error:
        got = tuple(probe.shape[1:])
        kind = layer["kind"]
        raise SpecError(f"architecture_spec.{where} ({kind}) does not fit rows of shape {got}: {error}") from error


def _module(layer: Mapping[str, JsonValue], x: Tensor, inputs: Inputs, where: str) -> nn.Module:
    match layer["kind"]:
        case "linear":
            return nn.Linear(x.shape[-1], whole(layer, "width"), bias=bool(layer["bias"]))
        case "conv1d" | "conv2d":
            return _conv(layer, x)
        case "maxpool" | "avgpool":
            return _pool(layer, x)
        case "global_avgpool" | "global_maxpool":
            return GlobalPool(str(layer["kind"]))
        case "flatten":
            return nn.Flatten()
        case "transpose":
            return Transpose()
        case "batchnorm" | "layernorm":
            return _norm(str(layer["kind"]), x)
        case "dropout":
            return nn.Dropout(number(layer, "share"))
        case "embedding":
            return nn.Embedding(inputs.vocabulary, whole(layer, "width"), padding_idx=inputs.pad)
        case "lstm" | "gru":
            return Recurrent(layer, x.shape[-1])
        case "residual":
            return _residual(cast("Sequence[Mapping[str, JsonValue]]", layer["layers"]), x, inputs, where)
        case kind:
            assert kind in ACTIVATIONS, kind
            return activation(str(kind))


def _residual(layers: Sequence[Mapping[str, JsonValue]], x: Tensor, inputs: Inputs, where: str) -> nn.Module:
    modules = []
    for i, layer in enumerate(layers):
        module, x = _added(layer, x, inputs, f"{where}.residual.{i}")
        modules.append(module)
    return Residual(modules)


def _conv(layer: Mapping[str, JsonValue], x: Tensor) -> nn.Module:
    kernel = whole(layer, "kernel")
    padding = kernel // 2 if layer["padding"] is None else whole(layer, "padding")
    flat = layer["kind"] == "conv1d"
    made = (nn.Conv1d if flat else nn.Conv2d)(
        x.shape[-1] if flat else x.shape[1],
        whole(layer, "channels"),
        kernel,
        stride=whole(layer, "stride"),
        padding=padding,
        groups=whole(layer, "groups"),
        bias=bool(layer["bias"]),
    )
    return OverLength(made) if flat else made


def _pool(layer: Mapping[str, JsonValue], x: Tensor) -> nn.Module:
    size = whole(layer, "size")
    stride = size if layer["stride"] is None else whole(layer, "stride")
    largest = layer["kind"] == "maxpool"
    if x.ndim == _IMAGE:
        return nn.MaxPool2d(size, stride) if largest else nn.AvgPool2d(size, stride)
    return OverLength(nn.MaxPool1d(size, stride) if largest else nn.AvgPool1d(size, stride))


def _norm(kind: str, x: Tensor) -> nn.Module:
    if kind == "layernorm":
        return nn.GroupNorm(1, x.shape[1]) if x.ndim == _IMAGE else nn.LayerNorm(x.shape[-1])
    if x.ndim == _IMAGE:
        return BatchNorm2d(x.shape[1])
    norm = BatchNorm1d(x.shape[-1])
    return OverLength(norm) if x.ndim == _SEQUENCE else norm
