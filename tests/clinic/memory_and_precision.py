"""Trainings that a machine cannot hold: a real limit on the process's memory, and values beyond fp16.

``python -m tests.clinic.memory_and_precision FOLDER HEADROOM_MB`` trains under a limit of that much more memory than
the process has when it begins, and prints what came of it.
"""

import json
import resource
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.clinic.cases import NETWORK, Case, run
from trainwright.core.events import Repaired
from trainwright.core.jsonable import JsonValue

_FP16: Mapping[str, JsonValue] = {"batch_size": 32, "precision": "fp16", "optimizer": {"name": "adamw", "lr": 0.003}}

WIDE = Case(
    name="a wide network under a limit of memory",
    data="digits",
    rows=1024,
    rounds=1,
    params={**NETWORK, "hidden_sizes": [16384], "learning_rate": 0.001, "batch_size": 1024},
    expected=("doctor.out_of_memory",),
)


def louder(session: Any) -> None:
    """Activations a million times as large in the middle of the network, and outputs as they were."""
    from torch import nn

    layers = [m for m in session._network.modules() if isinstance(m, nn.Linear)]
    layers[0].register_forward_hook(lambda _module, _given, made: made * 1e6)
    layers[-1].register_forward_pre_hook(lambda _module, given: (given[0] / 1e6,))


OVERFLOW = Case(
    name="activations beyond fp16",
    data="wine",
    family="own",
    recipe=_FP16,
    tamper=louder,
    expected=("doctor.precision_overflow",),
)
HEALTHY_HALF = replace(OVERFLOW, name="fp16 that fits", tamper=None, expected=())
IN_FLOAT32 = replace(HEALTHY_HALF, name="the same in float32", recipe={**_FP16, "precision": "fp32"})


def main() -> None:
    """Train `WIDE` under a limit."""
    import torch

    torch.set_num_threads(1)
    (torch.ones(64, 64) @ torch.ones(64, 64)).sum()  # what the library takes once
    present = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = present + int(sys.argv[2]) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    seen = run(WIDE, Path(sys.argv[1]))
    made = [event.body for event in seen.events if isinstance(event.body, Repaired)]
    print(json.dumps({"codes": seen.codes, "loss": seen.loss, "after": [dict(one.after) for one in made]}))


if __name__ == "__main__":
    main()
