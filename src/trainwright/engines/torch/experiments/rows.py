"""Whether a row's scores are its own: of the batch's size, of other rows, of later tokens."""

import torch
from torch import Tensor, nn

from trainwright.engines.contract import Experiment
from trainwright.engines.torch.experiments.trial import Trial, failed, not_made, passed

BATCH_SIZE, NO_LEAK, NO_LOOK_AHEAD = "batch_size_independence", "no_leak_between_rows", "no_look_ahead"

_SAME = 1e-4  # of the largest score: float32 sums in another order differ by less than 1e-5
_EXACT = 1e-6  # the same shapes in the same places give the same bits
_SINGLE = 4  # rows that are passed one by one


def batch_size_independence(trial: Trial) -> Experiment:
    """In eval mode a row alone has the scores it has in a batch."""
    x = trial.batch.x
    whole = trial.scores(x)
    pieces = torch.cat([trial.scores(x[i : i + 1]) for i in range(min(_SINGLE, len(x)))])
    difference = _difference(whole[: len(pieces)], pieces)
    saw = f"in eval mode single rows differ from a batch by {difference:.1g} of the largest score"
    if difference <= _SAME:
        return passed(BATCH_SIZE, saw)
    return failed(
        BATCH_SIZE,
        saw,
        "A prediction depends on the rows beside it",
        "Look for a mean, norm or softmax over the first dimension, or batch statistics used in eval mode",
    )


def no_leak_between_rows(trial: Trial) -> Experiment:
    """One row is replaced by another; what the others get must stay."""
    modes = [False] if _has_batch_norm(trial.network) else [False, True]
    x = trial.batch.x
    other = next((i for i in range(1, len(x)) if not torch.equal(x[i], x[0])), None)
    if other is None or len(x) < 3:
        return not_made(NO_LEAK, f"{len(x)} rows, too few that differ to tell")
    changed = x.clone()
    changed[0] = x[other]
    worst, where = 0.0, "eval"
    for train in modes:
        before, after = trial.scores(x, train=train), trial.scores(changed, train=train)
        found = _difference(before[1:], after[1:])
        if found > worst:
            worst, where = found, "training" if train else "eval"
    tried = " and training" if True in modes else ""
    if worst <= _EXACT:
        return passed(NO_LEAK, f"another first row leaves the scores of the others as they are, in eval{tried} mode")
    return failed(
        NO_LEAK,
        f"changing one row moves the scores of others by {worst:.1g} of the largest, in {where} mode",
        "Information leaks across the batch",
        "Look for a reshape that mixes rows, or an operation over the first dimension",
    )


def no_look_ahead(trial: Trial) -> Experiment:
    """A language model's score at a position must not depend on later ids."""
    x = trial.batch.x[:2]
    middle = x.shape[1] // 2
    changed = x.clone()
    changed[:, middle:] = (x[:, middle:] + 1) % trial.problem.outputs
    before, after = trial.scores(x)[:, :middle], trial.scores(changed)[:, :middle]
    found = _difference(before, after)
    if found <= _EXACT:
        return passed(NO_LOOK_AHEAD, "scores do not change with later tokens")
    return failed(
        NO_LOOK_AHEAD,
        f"changing later tokens moves earlier scores by {found:.1g} of the largest",
        "The network sees the tokens it predicts",
        "Look at the attention's mask",
        may_be_meant=False,
    )


def _has_batch_norm(network: nn.Module) -> bool:
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())


def _difference(a: Tensor, b: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    if not a.numel():
        return 0.0
    return float((a - b).abs().max() / a.abs().max().clamp_min(1e-12))
