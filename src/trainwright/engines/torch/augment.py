"""Changes of training images, each a function of (seed, epoch, row): the same in any batch, on any worker.

Images are uint8 of shape (B, C, H, W) and stay so.
"""

import torch
from torch import Tensor

from trainwright.engines.torch.recipe import Augment

_FLIP, _TOP, _LEFT, _BRIGHT, _CONTRAST, _CUT_TOP, _CUT_LEFT = range(7)


def is_idle(augment: Augment) -> bool:
    """Whether nothing is asked for."""
    return augment == Augment()


def augmented(images: Tensor, rows: Tensor, augment: Augment, *, seed: int) -> Tensor:
    """The images of those rows (int64 numbers, shape (B,)) as an epoch sees them; ``seed`` is that epoch's."""
    out = images
    if augment.flip:
        out = torch.where((uniform(rows, seed, _FLIP) < 0.5)[:, None, None, None], out.flip(3), out)
    if augment.crop:
        out = _cropped(out, rows, augment.crop, seed)
    if augment.brightness or augment.contrast:
        out = _lit(out, rows, augment, seed)
    return _cut_out(out, rows, augment.cutout, seed) if augment.cutout else out


def uniform(rows: Tensor, seed: int, stream: int) -> Tensor:
    """One number in [0, 1) per row, float32: 24 bits of the SplitMix64 hash (Steele et al. 2014) of its counter."""
    x = rows * _signed(0x9E3779B97F4A7C15) + _signed((seed * 0xD1342543DE82EF95 + stream * 0x2545F4914F6CDD1D) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ _logical_shift(x, shift)) * _signed(factor)
    x = x ^ _logical_shift(x, 31)
    return _logical_shift(x, 40).to(torch.float32) / float(1 << 24)


def _logical_shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _below(rows: Tensor, seed: int, stream: int, limit: int) -> Tensor:
    return (uniform(rows, seed, stream) * limit).long().clamp_(max=limit - 1)


def _cropped(images: Tensor, rows: Tensor, pixels: int, seed: int) -> Tensor:
    """Moved by up to ``pixels`` in both directions, the border reflected."""
    height, width = images.shape[2:]
    down = _below(rows, seed, _TOP, 2 * pixels + 1) - pixels
    right = _below(rows, seed, _LEFT, 2 * pixels + 1) - pixels
    ys = _reflected(torch.arange(height, device=images.device) + down[:, None], height)
    xs = _reflected(torch.arange(width, device=images.device) + right[:, None], width)
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[batch, ys[:, :, None], xs[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _reflected(index: Tensor, size: int) -> Tensor:
    period = max(1, 2 * (size - 1))
    index = index.abs() % period
    return torch.where(index >= size, period - index, index)


def _lit(images: Tensor, rows: Tensor, augment: Augment, seed: int) -> Tensor:
    out = images.float()
    if augment.contrast:
        mean = out.mean(dim=(1, 2, 3), keepdim=True)
        out = (out - mean) * _around_one(rows, seed, _CONTRAST, augment.contrast) + mean
    if augment.brightness:
        out = out * _around_one(rows, seed, _BRIGHT, augment.brightness)
    return out.round_().clamp_(0, 255).to(torch.uint8)


def _around_one(rows: Tensor, seed: int, stream: int, reach: float) -> Tensor:
    return (1 + (2 * uniform(rows, seed, stream) - 1) * reach)[:, None, None, None]


def _cut_out(images: Tensor, rows: Tensor, side: int, seed: int) -> Tensor:
    """A square around a random pixel becomes the image's mean colour; at the border a part of it lies outside."""
    height, width = images.shape[2:]
    top = _below(rows, seed, _CUT_TOP, height)[:, None] - side // 2
    left = _below(rows, seed, _CUT_LEFT, width)[:, None] - side // 2
    ys, xs = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    inside_y = (ys >= top) & (ys < top + side)
    inside_x = (xs >= left) & (xs < left + side)
    mean = images.float().mean(dim=(2, 3), keepdim=True).round().to(torch.uint8)
    return torch.where((inside_y[:, :, None] & inside_x[:, None, :])[:, None], mean, images)
