"""Statistics of single layers at chosen steps: gradients, update sizes, saturated activations.

Everything is computed on the device and read once a block.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_NAMES = ("grad_mean", "grad_std", "grad_min", "grad_max", "grad_norm", "update_ratio")

_ONE_SIDED = (nn.ReLU, nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.SELU, nn.LeakyReLU, nn.Softplus)
_SATURATED = 0.99  # assumption: beyond it tanh passes on less than 2 % of a gradient, a sigmoid less than 1 %
_CELLS = 65_536  # the share of saturated activations is known to 0.4 % from this many


class Layers:
    """A layer is a module that owns parameters; it goes by its name in the network.

    ``whole`` gives all rows of a tensor that lies in shares; every process then sees the same numbers.
    """

    def __init__(
        self, network: nn.Module, *, saturation: bool, whole: Callable[[Tensor], Tensor] = lambda tensor: tensor
    ) -> None:
        self._whole = whole
        self._layers = {
            name or "network": params
            for name, module in network.named_modules()
            if (params := [p for p in module.parameters(recurse=False) if p.requires_grad])
        }
        activations = (*_ONE_SIDED, nn.Tanh, nn.Sigmoid)
        self._activations = {
            name: module for name, module in network.named_modules() if saturation and isinstance(module, activations)
        }
        self._found: dict[str, Tensor] = {}
        self._shares: dict[str, Tensor] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around one step: look at its gradients and at what it makes of the weights."""
        before = {name: [p.detach().clone() for p in params] for name, params in self._layers.items()}
        hooks = [m.register_forward_hook(self._hook(name)) for name, m in self._activations.items()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        with torch.no_grad():
            for name, params in self._layers.items():
                grads = [self._whole(p.grad) for p in params if p.grad is not None]
                if grads:
                    after, then = ([self._whole(t.detach()) for t in ts] for ts in (params, before[name]))
                    self._found[name] = _numbers(grads, after, then)

    def read(self) -> dict[str, dict[str, float]]:
        """The numbers of the last watched step, once; layers without a finite gradient are left out."""
        read: dict[str, dict[str, float]] = {}
        for name, values in self._found.items():
            read[name] = dict(zip(_NAMES, values.tolist(), strict=True))
        for name, share in self._shares.items():
            read.setdefault(name, {})["saturated_share"] = float(share)
        self._found, self._shares = {}, {}
        return read

    def _hook(self, name: str) -> Any:
        def look(module: nn.Module, _: object, output: Tensor) -> None:
            cells = output.detach().flatten()
            cells = cells[:: max(1, cells.numel() // _CELLS)]
            if isinstance(module, _ONE_SIDED):
                flat = cells <= 0
            elif isinstance(module, nn.Sigmoid):
                flat = (cells - 0.5).abs() > _SATURATED / 2
            else:
                flat = cells.abs() > _SATURATED
            self._shares[name] = flat.float().mean()

        return look


def _numbers(grads: list[Tensor], params: list[Tensor], before: list[Tensor]) -> Tensor:
    """`_NAMES` of one layer, its tensors taken as one."""
    flat = grads[0].flatten() if len(grads) == 1 else torch.cat([g.flatten() for g in grads])
    flat = flat.float()
    low, high = flat.aminmax()
    spread, mean = torch.std_mean(flat, correction=0)
    moved = torch.nn.utils.get_total_norm(torch._foreach_sub(before, params))
    length = torch.nn.utils.get_total_norm(before)
    return torch.stack([mean, spread, low, high, flat.norm(), moved / (length + 1e-12)])
