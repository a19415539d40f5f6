"""One training by several processes.

Every process runs the same session in lockstep. Rank 0 leads: the driver runs there, and whatever all must do
together (a block of steps, putting the weights together for an evaluation, a checkpoint, a repair, the end) is
announced to the others first, who wait for it in `follow`. Rank 0 evaluates alone, so every row counts once.

`team` is who the processes are and what they say to each other; a `Strategy` is where the weights lie and what
follows from it: `strategies` (whole in each process), `sharded` (each a share). `leading` is rank 0 and the others.
This module imports none of them, as all import torch.
"""
