"""One training by several processes.

Every process runs the same session in lockstep. Rank 0 leads: the driver runs there, and whatever all must do
together (a block of steps, putting the weights together for an evaluation, a checkpoint, a repair, the end) is
announced to the others first, who wait for it in `follow`. Rank 0 evaluates alone, so every row counts once.

`team` is who the processes are and what they say to each other; a `Strategy` is where the weights lie and what
follows from it: `strategies` (whole in each process), `sharded` (each a share). `leading` is rank 0 and the others.
"""

from trainwright.engines.torch.distributed.leading import Led, follow, open_shared
from trainwright.engines.torch.distributed.strategies import Alone, Replicated
from trainwright.engines.torch.distributed.team import (
    Team,
    count_gpus,
    join,
    leave,
    local_batch_norm,
    share,
)

__all__ = [
    "Alone",
    "Led",
    "Replicated",
    "Team",
    "count_gpus",
    "follow",
    "join",
    "leave",
    "local_batch_norm",
    "open_shared",
    "share",
]
