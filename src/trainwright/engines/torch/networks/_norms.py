"""Batch normalisation that can meet a batch of one row, the last of an epoch."""

from torch import Tensor, nn
from torch.nn.functional import batch_norm


class BatchNorm1d(nn.BatchNorm1d):
    """torch's, (B, C) or (B, C, L); one row alone has no spread, so it is normalised by what was seen before."""

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return _by_history(self, input) if self.training and len(input) == 1 else super().forward(input)


class BatchNorm2d(nn.BatchNorm2d):
    """torch's, (B, C, H, W), with the same exception."""

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return _by_history(self, input) if self.training and len(input) == 1 else super().forward(input)


def _by_history(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    return batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps)
