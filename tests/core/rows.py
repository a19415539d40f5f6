"""Small made-up targets and predictions that the metric tests share."""

import numpy as np

from trainwright.core.tasks import Task


def some_rows(task: Task, rows: int, seed: int = 0, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, predictions that know something about them, and weights; every class occurs."""
    generator = np.random.default_rng(seed)
    weight = generator.uniform(0.5, 3.0, rows)
    if task is Task.REGRESSION:
        y = generator.gamma(3.0, 2.0, rows) + 0.1
        return y, np.abs(y + generator.normal(0, 1, rows)), weight
    if task is Task.LANGUAGE:
        y = generator.integers(1, 200, rows).astype(float)
        return y, y * generator.uniform(0.5, 2.0, rows), weight
    classes = 2 if task is Task.BINARY else 4
    y = generator.permutation(np.arange(rows) % classes)
    raw = generator.gamma(1.0, 1.0, (rows, classes)) + 0.05
    raw[np.arange(rows), y] += generator.uniform(0, 1.5, rows)
    if ties:
        raw = np.ceil(raw * 2)
    return y, raw / raw.sum(axis=1, keepdims=True), weight
