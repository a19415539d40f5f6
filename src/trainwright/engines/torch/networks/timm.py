"""A network of the package timm, by name.

``params`` holds ``name``, ``arguments`` (timm's own) and ``weights`` (file name -> sha256 of what it started from;
empty for fresh weights). ``num_classes``, ``in_chans`` and, where the network takes it, ``img_size`` are set here. With
weights from a file, images are scaled by the mean and spread that timm states for them, else by those of the training
images.

Shapes: images (B, channels, height, width), uint8 -> scores (B, outputs).
"""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.core.errors import ArtifactRefused, SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.core.packages import first_line, needs_package
from trainwright.engines.torch.files import read_tensors
from trainwright.engines.torch.networks.cnn import channel_spread
from trainwright.engines.torch.networks.contract import Inputs

_HINT = "timm needs the torchvision that was built for this torch: install both from one place"
_WHITE = 255.0


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights.

    Raises:
        SpecError: timm makes no such network for images of that size.
        ResourceMissing: timm, or the torchvision it needs, is not installed or broken.
    """
    return TimmModel(params, inputs, outputs)


class TimmModel(nn.Module):
    """``normalise -> timm's own network``."""

    mean: Tensor
    scale: Tensor

    def __init__(self, params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> None:
        super().__init__()
        with needs_package("timm", "vision", hint=_HINT):
            import timm
        self._create: Any = timm.create_model
        self._name = str(params["name"])
        arguments = params["arguments"]
        assert isinstance(arguments, Mapping)
        channels, height, width = inputs.shape
        self._arguments: dict[str, Any] = {**arguments, "num_classes": outputs, "in_chans": channels}
        self._states_its_scale = bool(params["weights"])
        try:
            with torch.device("meta"):
                bare = self._create(self._name, pretrained=False, **self._arguments)
            if "img_size" in inspect.signature(type(bare).__init__).parameters:
                self._arguments["img_size"] = (height, width)
            self.model: nn.Module = self._create(self._name, pretrained=False, **self._arguments)
        except Exception as error:  # constructors of 1,400 networks: anything may come
            raise SpecError(
                f"timm makes no {self._name} for images of {channels} x {height} x {width}: "
                f"{type(error).__name__}: {first_line(error)}"
            ) from error
        stated: Any = getattr(self.model, "pretrained_cfg", {})
        mean, spread = (torch.tensor(stated.get(key, (0.5,)), dtype=torch.float32) for key in ("mean", "std"))
        if channels != len(mean):
            mean, spread = (values.mean().expand(channels) for values in (mean, spread))
        self.register_buffer("mean", mean[:, None, None] * _WHITE)
        self.register_buffer("scale", 1 / (spread[:, None, None] * _WHITE))

    def fit_inputs(self, rows: Tensor) -> None:
        """Mean and spread of every channel over uint8 images, where no file of weights states its own."""
        if not self._states_its_scale:
            mean, spread = channel_spread(rows)
            self.mean.copy_(mean)
            self.scale.copy_(1 / spread)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, height, width) -> (B, outputs)."""
        out: Tensor = self.model((x.to(self.mean.dtype) - self.mean) * self.scale)
        return out

    def start_from(self, files: Sequence[Path]) -> list[str]:
        """Take the weights of a file, all but the last layer.

        A first layer for other channels is adapted as timm does it.

        Raises:
            ArtifactRefused: they are another network's.
        """
        tensors = read_tensors(files[0])
        head = self._head()
        mine = self.model.state_dict()
        tensors.update({name: mine[name] for name in mine if name in head})
        overlay = {"state_dict": tensors, "num_classes": self._arguments["num_classes"], "source": "", "file": ""}
        try:
            loaded = self._create(self._name, pretrained=True, pretrained_cfg_overlay=overlay, **self._arguments)
        except Exception as error:  # the package's own reader: anything may come
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            said = " ".join(lines[:2])[:300] or type(error).__name__
            raise ArtifactRefused(f"{files[0]} holds no weights of timm's {self._name}: {said}") from error
        self.model.load_state_dict(loaded.state_dict())
        return [f"model.{name}" for name, _ in self.model.named_parameters() if name in head]

    def _head(self) -> set[str]:
        """Names of the weights of the last layer."""
        stated: Any = getattr(self.model, "pretrained_cfg", {})
        named = stated.get("classifier") or ()
        layers = (named,) if isinstance(named, str) else tuple(named)
        return {name for name in self.model.state_dict() if name.startswith(tuple(f"{layer}." for layer in layers))}
