"""torch's optimisers, kept from loading torch's compiler.

torch wraps methods of its optimisers so that a compiled region leaves them alone. The first call of one loads
``torch._dynamo``: 1.3 s of processor time and 73 MB in every process (torch 2.13, measured). Nothing here compiles an
optimiser, so the methods are taken as they were before they were wrapped.
"""

import inspect
from typing import TypeVar, cast

import torch
from torch.optim import Optimizer

_O = TypeVar("_O", bound=Optimizer)


class Unguarded(Optimizer):
    """An optimiser whose methods are not wrapped for the compiler; they do the same."""

    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)
    state_dict = inspect.unwrap(Optimizer.state_dict)
    load_state_dict = inspect.unwrap(Optimizer.load_state_dict)


def unguarded(kind: type[_O]) -> type[_O]:
    """The same optimiser as an `Unguarded` one; its step cannot be differentiated."""
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return cast("type[_O]", type(kind.__name__, (Unguarded, kind), {"step": step}))
