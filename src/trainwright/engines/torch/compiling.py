"""A network compiled by torch, and the same network as it is where the compiler fails."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainwright.core.findings import Finding, Severity
from trainwright.engines.torch.full import is_full


class Compiled:
    """Calls the compiled network. Compilers work at the first call, and again for inputs of other shapes.

    One that fails costs speed and a finding, not the training: from that call on the network runs as it is. An error
    of the network itself comes back when it runs as it is, and is raised from there.
    """

    def __init__(self, network: nn.Module, say: Callable[[Finding], None]) -> None:
        self._network, self._say = network, say
        self._compiled: Callable[[Tensor], Tensor] | None = torch.compile(network)

    def __call__(self, x: Tensor) -> Tensor:
        """The network's scores."""
        if self._compiled is None:
            return self._as_it_is(x)
        try:
            return self._compiled(x)
        except RuntimeError as error:  # torch's compilers derive their errors from it
            if is_full(error):
                raise
            scores = self._as_it_is(x)
            self._compiled = None
            self._say(_not_compiled(error))
            return scores

    def _as_it_is(self, x: Tensor) -> Tensor:
        scores: Tensor = self._network(x)
        return scores


def _not_compiled(error: RuntimeError) -> Finding:
    reason = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
    return Finding(
        code="torch.not_compiled",
        severity=Severity.WARNING,
        where="training.compile",
        what=f"the network is trained without being compiled: the compiler failed ({reason})",
        why="the result is the same but for rounding, and steps take longer",
        fix="Remove training.compile, or install what the compiler asks for (on a CPU a C++ compiler)",
        evidence={"error": type(error).__name__},
    )
