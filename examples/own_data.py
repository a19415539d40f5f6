"""A data set of one's own, for examples/own_data.yaml: waves of three forms, made here and read by nobody else's code.

Trainwright calls ``TrainSet()`` and takes ``len(d)`` and ``d[i] -> (x, y)``: ``x`` an array of numbers, the same shape
for every item, ``y`` one number or text. A `torch.utils.data.Dataset` does as well; nothing here needs torch.
"""

import numpy as np

FORMS = {
    "sine": np.sin,
    "square": lambda t: np.sign(np.sin(t)),
    "saw": lambda t: 2 * (t / (2 * np.pi) % 1) - 1,
}


class Waves:
    """``rows`` waves of 64 steps, seen by two sensors: x is float32 of shape (64, 2), y the name of the form."""

    def __init__(self, rows, seed):
        self.rows, self.seed = rows, seed

    def __len__(self):
        return self.rows

    def __getitem__(self, index):
        rng = np.random.default_rng([self.seed, index])  # a function of the index: the same item every time
        form = list(FORMS)[rng.integers(len(FORMS))]
        t = np.linspace(0, 4 * np.pi, 64) * rng.uniform(0.8, 1.2) + rng.uniform(0, 2 * np.pi)
        both = np.stack([FORMS[form](t), FORMS[form](t + np.pi / 3)], axis=1)
        return (both + 1.2 * rng.normal(size=both.shape)).astype("float32"), form


class TrainSet(Waves):
    def __init__(self):
        super().__init__(rows=1200, seed=1)


class TestSet(Waves):
    def __init__(self):
        super().__init__(rows=300, seed=2)
