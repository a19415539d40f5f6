"""A bidirectional LSTM over token ids: see `trainwright.engines.torch.networks._recurrent`."""

from collections.abc import Mapping

from torch import nn

from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks._recurrent import Recurrent
from trainwright.engines.torch.networks.contract import Inputs


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """The network with fresh weights."""
    return Recurrent(nn.LSTM, params, inputs, outputs)
