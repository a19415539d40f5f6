"""Update rules by name, with parameter groups: what decays, at which rate."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar, cast

import torch
from torch import Tensor, nn

from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.fused import DirectAdam
from trainwright.engines.torch.recipe import Optimizer
from trainwright.engines.torch.schedule_free import ScheduleFreeAdamW
from trainwright.engines.torch.stored import Stored
from trainwright.engines.torch.unguarded import unguarded

_T = TypeVar("_T")

_NORMS = (
    nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase, nn.LocalResponseNorm,
)  # fmt: skip


class Optimizers:
    """The torch optimisers of one training (Muon needs a second one), their rates set from outside at each step."""

    def __init__(self, network: nn.Module, recipe: Optimizer, device: torch.device) -> None:
        self._names = {p: name for name, p in network.named_parameters()}
        factors = _call(network, "lr_factors", dict[str, float]())
        muon = _hidden_matrices(network) if recipe.name == "muon" else set[Tensor]()
        undecayed = _undecayed(network)
        grouped: dict[tuple[bool, bool, float], list[nn.Parameter]] = {}
        for p, name in self._names.items():
            if p.requires_grad:
                key = (p in muon, p not in undecayed, float(factors.get(name, 1.0)))
                grouped.setdefault(key, []).append(p)
        self._parts: list[torch.optim.Optimizer] = []
        self._factors: list[list[float]] = []
        for hidden in (True, False):
            mine = {k: ps for k, ps in grouped.items() if k[0] is hidden}
            groups = [
                {"params": ps, "weight_decay": recipe.weight_decay if decays else 0.0}
                for (_, decays, _), ps in mine.items()
            ]
            if groups:
                self._parts.append(_muon(groups, recipe) if hidden else _build(groups, recipe, device))
                self._factors.append([f for _, _, f in mine])
        self.params = [p for group in grouped.values() for p in group]
        self._stored: Callable[[], None] | None = None
        self._direct = {part: DirectAdam(part) for part in self._parts if _steps_directly(part, self.params)}

    @property
    def skips_on_device(self) -> bool:
        """Whether every part can leave a step out by a tensor, without the host knowing."""
        return all(part.defaults.get("fused") for part in self._parts)

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next step."""
        for part, factors in zip(self._parts, self._factors, strict=True):
            for group, factor in zip(part.param_groups, factors, strict=True):
                group["lr"] = rate * factor

    def step(self) -> None:
        """One update from the gradients that are there."""
        self._settle()
        for part in self._parts:
            if part in self._direct:
                self._direct[part].step()
            else:
                part.step()

    def step_unless(self, found_inf: Tensor) -> None:
        """One update, left out where ``found_inf`` is 1, on the device.

        Parts without a fused form get gradients of zero instead: momentum and decay go on, nothing non-finite comes in.
        """
        self._settle()
        if not self.skips_on_device:
            for p in self.params:
                if p.grad is not None:
                    p.grad = torch.where(found_inf > 0, torch.zeros_like(p.grad), p.grad)
        for part in self._parts:
            if part.defaults.get("fused"):
                part.grad_scale = None  # type: ignore[attr-defined]
                part.found_inf = found_inf  # type: ignore[attr-defined]
            part.step()

    def step_scaled(self, scaler: torch.amp.GradScaler) -> None:
        """One update by a scaler that has unscaled the gradients already."""
        self._settle()
        for part in self._parts:
            scaler.step(part)

    def unscale(self, scaler: torch.amp.GradScaler) -> None:
        """Take the scaler's factor out of the gradients."""
        for part in self._parts:
            scaler.unscale_(part)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.params:
            p.grad = None

    def averaged(self) -> dict[str, Tensor] | None:
        """The weights to predict with where those are not the ones being trained."""
        free = [part for part in self._parts if isinstance(part, ScheduleFreeAdamW)]
        if free:
            self._settle()
        found = {
            self._names[p]: part.averaged(p) for part in free for group in part.param_groups for p in group["params"]
        }
        return found or None

    def state(self) -> tuple[dict[str, Tensor], dict[str, JsonValue]]:
        """Tensors by name, and the numbers beside them."""
        self._settle()
        tensors: dict[str, Tensor] = {}
        numbers: dict[str, JsonValue] = {}
        for i, part in enumerate(self._parts):
            document = part.state_dict()
            for j, values in document["state"].items():
                for key, value in values.items():
                    if isinstance(value, Tensor):
                        tensors[f"optimizer.{i}.{j}.{key}"] = value
                    else:
                        numbers[f"{i}.{j}.{key}"] = value
            for g, group in enumerate(document["param_groups"]):
                for key in ("k", "weight_sum", "lr_max"):
                    if key in group:
                        numbers[f"{i}.group {g}.{key}"] = group[key]
        return tensors, numbers

    def load(
        self,
        tensors: Mapping[str, Stored],
        numbers: Mapping[str, JsonValue],
        placed: Callable[[Stored, Tensor], Tensor],
    ) -> None:
        """Take up what `state` gave; ``placed`` lays a stored tensor out as its parameter.

        It is read when it is needed: a training that is over never needs it, and its device may not have room for it.
        """
        self._stored = lambda: self._take_up(tensors, numbers, placed)

    def _settle(self) -> None:
        """Take up what is still to be taken up."""
        if self._stored is not None:
            take_up, self._stored = self._stored, None
            take_up()

    def _take_up(
        self,
        tensors: Mapping[str, Stored],
        numbers: Mapping[str, JsonValue],
        placed: Callable[[Stored, Tensor], Tensor],
    ) -> None:
        for i, part in enumerate(self._parts):
            document = part.state_dict()
            params = [p for group in part.param_groups for p in group["params"]]
            state: dict[int, dict[str, Any]] = {}
            for name, tensor in tensors.items():
                head, *where = name.split(".", 3)
                if head == "optimizer" and int(where[0]) == i:
                    state.setdefault(int(where[1]), {})[where[2]] = placed(tensor, params[int(where[1])])
            for name, number in numbers.items():
                at, owner, key = name.split(".", 2)
                if int(at) != i:
                    continue
                if owner.startswith("group "):
                    document["param_groups"][int(owner[6:])][key] = number
                else:
                    state.setdefault(int(owner), {})[key] = number
            document["state"] = state
            part.load_state_dict(document)
            if part in self._direct:
                self._direct[part].forget()


def _steps_directly(part: torch.optim.Optimizer, params: Sequence[Tensor]) -> TypeGuard[torch.optim.Adam]:
    """Whether it is a fused Adam of plain tensors of one type on the CPU."""
    plain = {(type(p), p.device.type, p.dtype) for p in params} == {(nn.Parameter, "cpu", torch.float32)}
    return isinstance(part, torch.optim.Adam) and bool(part.defaults.get("fused")) and plain


def _build(groups: list[dict[str, Any]], recipe: Optimizer, device: torch.device) -> torch.optim.Optimizer:
    if recipe.name == "schedule_free_adamw":
        return ScheduleFreeAdamW(groups, lr=1.0, betas=recipe.betas, eps=recipe.eps)
    fused = device.type in ("cpu", "cuda", "mps") and all(
        p.is_floating_point() and p.dtype != torch.float16 for g in groups for p in g["params"]
    )
    if recipe.name == "sgd":
        # torch 2.13 has no fused SGD for weights in shares, whose type is another
        fused = fused and all(type(p) is nn.Parameter for g in groups for p in g["params"])
        nesterov = recipe.nesterov and recipe.momentum > 0
        built = unguarded(torch.optim.SGD)(groups, lr=1.0, momentum=recipe.momentum, nesterov=nesterov, fused=fused)
        if recipe.momentum:
            for group in built.param_groups:
                for p in group["params"]:  # zeros give the same first step, also where that one is left out
                    built.state[p]["momentum_buffer"] = torch.zeros_like(p)
        return built
    kind = torch.optim.Adam if recipe.name == "adam" else torch.optim.AdamW
    return unguarded(kind)(groups, lr=1.0, betas=recipe.betas, eps=recipe.eps, fused=fused)


def _muon(groups: list[dict[str, Any]], recipe: Optimizer) -> torch.optim.Optimizer:
    if not hasattr(torch.optim, "Muon"):
        raise SpecError(f"optimizer muon needs torch 2.9 or newer, this is {torch.__version__}. Use adamw.")
    # match_rms_adamw (Liu et al. 2025) makes updates as large as AdamW's, so one rate and decay serve both
    return unguarded(torch.optim.Muon)(
        groups, lr=1.0, momentum=recipe.momentum, nesterov=recipe.nesterov, adjust_lr_fn="match_rms_adamw"
    )


def _hidden_matrices(network: nn.Module) -> set[Tensor]:
    """Weights of linear layers but the last, which is the head."""
    linear = [m.weight for m in network.modules() if isinstance(m, nn.Linear) and m.weight.requires_grad]
    embedded = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    return {w for w in linear[:-1] if id(w) not in embedded}


def _undecayed(network: nn.Module) -> set[Tensor]:
    named = _call(network, "undecayed", set[str]())
    found: set[Tensor] = {p for name, p in network.named_parameters() if p.ndim < 2 or name in named}
    for module in network.modules():
        if isinstance(module, _NORMS):
            found.update(module.parameters(recurse=False))
    return found


def _call(network: nn.Module, method: str, default: _T) -> _T:
    return cast("_T", getattr(network, method)()) if hasattr(network, method) else default
