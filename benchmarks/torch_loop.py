"""Seconds per epoch of one network in five loops: a textbook trainer, a tuned bare loop, Lightning, skorch, ours.

    pip install lightning skorch                                  # optional; what is absent is left out, and said
    python benchmarks/torch_loop.py                               # all three networks, five rounds each
    python benchmarks/torch_loop.py --networks mlp --rounds 3

Every loop trains the same module from the same seed on the same generated rows with AdamW at 1e-3, batches of 256,
gradients clipped at norm 1, one thread (or ``--threads N``), and validates after each epoch. The loops take turns:
textbook, bare, lightning, skorch, ours, textbook... so that a busy machine slows all of them, each turn in a process
of its own, so that no loop finds the memory another one has warmed. A turn trains a few epochs (20 of the MLP, 4 of the
others, or ``--epochs``) twice, times the second, and the median over the turns is reported.

- *textbook* is the usual trainer: ``DataLoader(TensorDataset)``, ``loss.item()`` in every step, ``ReduceLROnPlateau``,
  a checkpoint by ``torch.save`` whenever the validation loss gets better.
- *bare* is what one writes by hand for speed: rows permuted once an epoch and sliced, fused AdamW, no logging at all.
- *ours* is a whole fit as a user runs it: the driver, events in a JSONL file, gradient statistics, metrics by
  scikit-learn on training and validation rows, the best round kept on disk. The textbook trainer, Lightning and skorch
  log as they do by default.
"""

import argparse
import gc
import importlib.util
import logging
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainwright.core.clock import SystemClock
from trainwright.core.metrics import find
from trainwright.core.plan import FeatureStyle, ModelPlan
from trainwright.core.seeds import Seeds
from trainwright.core.tasks import Task
from trainwright.engines import torch as engine
from trainwright.engines.contract import Job, Table
from trainwright.fit.driver import Rules, fit
from trainwright.fit.recorder import Recorder
from trainwright.fit.stop import StopRequest
from trainwright.trackers.jsonl import EventLog

if TYPE_CHECKING:
    import torch
    from torch import nn

EPOCHS = {"mlp": 20, "cnn": 4, "transformer": 4}  # of a turn: two to ten seconds
BATCH, RATE, CLIP, SEED = 256, 1e-3, 1.0, 7
SOURCE = '''
import torch
from torch import nn


class MLP(nn.Module):
    """Two hidden layers of 128 over 28 numbers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(28, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 3)
        )

    def forward(self, x):
        return self.layers(x)


class CNN(nn.Module):
    """Three convolutions with batch normalisation over images of 3 x 32 x 32."""

    def __init__(self):
        super().__init__()
        widths = (3, 16, 32, 64)
        blocks = []
        for before, width in zip(widths, widths[1:]):
            blocks += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 3))

    def forward(self, x):
        return self.layers(x)


class Transformer(nn.Module):
    """Two pre-norm encoder layers of width 64 over 32 tokens."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(200, 64)
        self.position = nn.Parameter(torch.zeros(32, 64))
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embedding(x.long()) + self.position).mean(1))
'''


@dataclass(frozen=True)
class Work:
    """Rows of one network: training and validation, in NumPy."""

    name: str
    style: FeatureStyle
    X: np.ndarray
    y: np.ndarray
    held: int

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]:
        return self.X[self.held :], self.y[self.held :]

    @property
    def val(self) -> tuple[np.ndarray, np.ndarray]:
        return self.X[: self.held], self.y[: self.held]


def make_work(network: str) -> Work:
    """Generated rows with three classes that can be learnt."""
    draw = np.random.default_rng(SEED)
    if network == "mlp":
        X = draw.standard_normal((55_000, 28), dtype=np.float32)
        score = X[:, 0] * X[:, 1] + np.abs(X[:, 2])
        return Work("MLP", "scaled", X, np.digitize(score, [0.3, 1.0]).astype(np.int64), 5_000)
    if network == "cnn":
        X = draw.standard_normal((5_500, 3, 32, 32), dtype=np.float32)
        y = draw.integers(0, 3, len(X))
        X[np.arange(len(X)), y, 8:24, 8:24] += 0.5
        return Work("CNN", "array", X, y.astype(np.int64), 500)
    tokens = draw.integers(2, 200, (11_000, 32)).astype(np.int32)
    return Work("Transformer", "tokens", tokens, ((tokens < 80).sum(1) % 3).astype(np.int64), 1_000)


def make_module(work: Work) -> "nn.Module":
    import torch

    names: dict[str, type[nn.Module]] = {}
    exec(SOURCE, names)
    torch.manual_seed(SEED)
    return names[work.name]()


def tensors(part: tuple[np.ndarray, np.ndarray]) -> "tuple[torch.Tensor, torch.Tensor]":
    import torch

    return torch.from_numpy(part[0]), torch.from_numpy(part[1])


def textbook(work: Work, epochs: int, folder: Path) -> Callable[[], None]:
    """The usual trainer, as tutorials write it."""
    import torch
    from torch.optim.lr_scheduler import ReduceLROnPlateau
    from torch.utils.data import DataLoader, TensorDataset

    model, criterion = make_module(work), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    scheduler = ReduceLROnPlateau(optimizer, mode="min", patience=5, factor=0.5)
    train = DataLoader(TensorDataset(*tensors(work.train)), batch_size=BATCH, shuffle=True)
    val = DataLoader(TensorDataset(*tensors(work.val)), batch_size=BATCH)
    best = [float("inf")]

    def epoch() -> None:
        model.train()
        total = 0.0
        for inputs, targets in train:
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            total += loss.item()
        model.eval()
        val_loss, correct = 0.0, 0
        with torch.no_grad():
            for inputs, targets in val:
                outputs = model(inputs)
                val_loss += criterion(outputs, targets).item()
                correct += outputs.max(1)[1].eq(targets).sum().item()
        scheduler.step(val_loss)
        if val_loss < best[0]:
            best[0] = val_loss
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, folder / "checkpoint.pt")

    return lambda: [epoch() for _ in range(epochs)]  # type: ignore[return-value]


def bare(work: Work, epochs: int, folder: Path) -> Callable[[], None]:
    """Tuned by hand: sliced tensors, fused AdamW, nothing logged."""
    import torch
    from torch.nn.functional import cross_entropy

    model = make_module(work)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=RATE, fused=True)
    (X, y), (X_val, y_val) = tensors(work.train), tensors(work.val)

    def epoch() -> None:
        model.train()
        order = torch.randperm(len(X))
        for start in range(0, len(X), BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            cross_entropy(model(X[rows]), y[rows]).backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            torch.cat([model(X_val[i : i + 1024]) for i in range(0, len(X_val), 1024)]).argmax(1).eq(y_val).sum().item()

    return lambda: [epoch() for _ in range(epochs)]  # type: ignore[return-value]


def with_lightning(work: Work, epochs: int, folder: Path) -> Callable[[], None]:
    """Lightning with its CSV logger; progress bar and model summary off, its checkpoints on."""
    import lightning
    import torch
    from lightning.pytorch.loggers import CSVLogger
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = make_module(work)

        def training_step(self, batch: object, index: int) -> "torch.Tensor":
            x, y = batch  # type: ignore[misc]
            loss = cross_entropy(self.network(x), y)
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: object, index: int) -> None:
            x, y = batch  # type: ignore[misc]
            self.log("val_loss", cross_entropy(self.network(x), y))

        def configure_optimizers(self) -> "torch.optim.Optimizer":
            return torch.optim.AdamW(self.parameters(), lr=RATE)

    train = DataLoader(TensorDataset(*tensors(work.train)), batch_size=BATCH, shuffle=True)
    val = DataLoader(TensorDataset(*tensors(work.val)), batch_size=BATCH)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        gradient_clip_val=CLIP,
        logger=CSVLogger(folder),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    module = Module()

    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.fit_loop.max_epochs = (trainer.current_epoch or 0) + epochs
            trainer.fit(module, train, val)

    return run


def with_skorch(work: Work, epochs: int, folder: Path) -> Callable[[], None]:
    """skorch with its default callbacks, printing off."""
    import torch
    from skorch import NeuralNetClassifier
    from skorch.callbacks import GradientNormClipping
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    net = NeuralNetClassifier(
        make_module(work),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=RATE,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        max_epochs=epochs,
        train_split=predefined_split(Dataset(*work.val)),
        callbacks=[("clip", GradientNormClipping(CLIP))],
        verbose=0,
    )
    net.initialize()
    return lambda: net.partial_fit(*work.train)


def ours(work: Work, epochs: int, folder: Path, threads: int) -> Callable[[], None]:
    """A whole fit through the driver with everything on."""
    runs = iter(range(10_000))

    def run() -> None:
        number = next(runs)
        place = folder / f"fit-{number}"
        place.mkdir()
        job = make_job(work, epochs, threads, place)
        clock = SystemClock()
        session = engine.open(job)
        try:
            with EventLog(place / "training_log.jsonl") as log:
                fit(
                    session,
                    job,
                    Rules(
                        watch=find("log_loss", Task.MULTICLASS),
                        primary=find("accuracy", Task.MULTICLASS),
                        patience=epochs + 1,
                    ),
                    stage="fit",
                    recorder=Recorder(clock=clock, started_s=clock.elapsed(), listeners=[log]),
                    stop=StopRequest(),
                    checkpoints=place / "checkpoints",
                    resumable=True,
                    log_position=lambda: log.position,
                )
        finally:
            session.close()

    return run


def make_job(work: Work, epochs: int, threads: int, workdir: Path) -> Job:
    """The same module, optimiser and batches as a job for our engine."""
    (X, y), (X_val, y_val) = work.train, work.val
    recipe = {
        "batch_size": BATCH,
        "optimizer": {"name": "adamw", "lr": RATE, "weight_decay": 0.01},
        "clip_norm": CLIP,
        "precision": "fp32",
    }
    plan = ModelPlan(
        family="own",
        engine="torch",
        estimator="own",
        params={"file": "networks.py", "name": work.name, "source": SOURCE, "arguments": {}},
        rounds=epochs,
        patience=epochs,
        features=work.style,
        loss="log loss",
        unit="epoch",
        options={"recipe": recipe},
    )
    return Job(
        task=Task.MULTICLASS,
        num_classes=3,
        plan=plan,
        train=Table(X=X, y=y),
        val=Table(X=X_val, y=y_val),
        feature_names=tuple(f"f{i}" for i in range(X.shape[1])),
        categorical=(),
        category_sizes=(),
        seeds=Seeds(SEED),
        threads=threads,
        device="cpu",
        workdir=workdir,
        vocabulary=200 if work.style == "tokens" else 0,
    )


MAKERS: dict[str, Callable[[Work, int, Path, int], Callable[[], None]]] = {
    "textbook": lambda work, epochs, folder, _threads: textbook(work, epochs, folder),
    "bare": lambda work, epochs, folder, _threads: bare(work, epochs, folder),
    "lightning": lambda work, epochs, folder, _threads: with_lightning(work, epochs, folder),
    "skorch": lambda work, epochs, folder, _threads: with_skorch(work, epochs, folder),
    "ours": ours,
}


def turn(network: str, loop: str, *, epochs: int, threads: int) -> float:
    """Seconds per epoch of one loop in this process, after a training that loads and allocates."""
    import torch

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        run = MAKERS[loop](make_work(network), epochs, Path(folder), threads)
        run()
        gc.collect()
        began = time.perf_counter()
        run()
        return (time.perf_counter() - began) / epochs


def measure(network: str, *, rounds: int, epochs: int, threads: int) -> dict[str, list[float]]:
    """Loop -> seconds per epoch, one number a turn."""
    loops = list(MAKERS)
    for name in ("lightning", "skorch"):
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed and left out", file=sys.stderr)
            loops.remove(name)
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(rounds):
        for loop in loops:
            told = ["--networks", network, "--epochs", str(epochs), "--threads", str(threads), "--alone", loop]
            done = subprocess.run([sys.executable, __file__, *told], check=True, capture_output=True, text=True)
            seconds[loop].append(float(done.stdout.splitlines()[-1]))
        line = ", ".join(f"{loop} {values[-1]:.3f}" for loop, values in seconds.items())
        print(f"{network}, turn {number + 1}: {line}", file=sys.stderr)
    return seconds


def main() -> None:
    """Print one table row a network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(EPOCHS), default=list(EPOCHS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="of a turn, instead of 20 for the MLP and 4 for the others")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--alone", metavar="LOOP", help="print the seconds of one turn of one loop, in this process")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if options.alone:
        (network,) = options.networks
        print(turn(network, options.alone, epochs=options.epochs or EPOCHS[network], threads=options.threads))
        return
    print(f"seconds per epoch, median of {options.rounds} turns; {options.threads} thread(s), {platform.machine()}\n")
    print("| network | loop | s per epoch | over bare |\n| --- | --- | ---: | ---: |")
    for network in options.networks:
        epochs = options.epochs or EPOCHS[network]
        found = measure(network, rounds=options.rounds, epochs=epochs, threads=options.threads)
        base = statistics.median(found["bare"])
        for name, values in found.items():
            middle = statistics.median(values)
            print(f"| {network} | {name} | {middle:.3f} | {middle / base:.2f} |", flush=True)


if __name__ == "__main__":
    main()
