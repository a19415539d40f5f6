"""The device a training runs on, and everything global in torch that is set for it and put back after it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainwright.core.errors import ResourceMissing, SpecError, TrainingFailed
from trainwright.core.findings import Finding, Severity
from trainwright.engines.torch.full import is_full
from trainwright.engines.torch.recipe import Precision

PRECISION_OF = {torch.float16: "fp16", torch.bfloat16: "bf16", None: "fp32"}
"""The name of what matrix products are computed in, by the type inside autocast."""


def find_device(name: str) -> torch.device:
    """The device of that name; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        SpecError: the device is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SpecError(f"{name!r} is not a device. Known: auto, cpu, cuda, cuda:1, mps.") from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise SpecError(f"training.device: {name} is not there: torch sees {count} CUDA devices{_build()}.")
        return torch.device("cuda", device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SpecError("training.device: mps is not there: torch sees no Metal device.")
    if device.type not in ("cpu", "mps"):
        raise SpecError(f"training.device: {name} is not supported. Known: auto, cpu, cuda, cuda:1, mps.")
    return device


def choose(wanted: str) -> tuple[str, Finding | None]:
    """The device of that name, or the best one here for ``auto``, and what is to be said of the choice.

    Raises:
        SpecError: it is not there; the message says why.
    """
    found = find_device(wanted)
    if wanted != "auto":
        return wanted, None
    if found.type == "cuda":
        why = f"torch sees {torch.cuda.get_device_name(found)}"
    elif found.type == "mps":
        why = "torch sees a Metal device"
    else:
        why = f"torch sees neither a CUDA nor a Metal device{_build()}"
    return found.type, Finding(
        code="torch.device",
        severity=Severity.INFO,
        where="training.device",
        what=f"auto took {found.type}: {why}",
        fix="" if found.type == "cpu" else "Write device: cpu to train on the processor",
        evidence={"device": found.type},
    )


def _build() -> str:
    """What the installed torch cannot do, whatever the machine has."""
    return "" if torch.version.cuda or torch.version.hip else ": this torch is built for the CPU alone"


@contextmanager
def pinned_threads(threads: int) -> Iterator[None]:
    """Compute with exactly that many threads inside.

    Only the pool inside operators is set: the one between operators can be set once a process, and eager mode does
    not use it.
    """
    before = torch.get_num_threads()
    if before == threads:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def private_randomness(device: torch.device) -> Iterator[None]:
    """Leave torch's global generators as they were found."""
    cpu = torch.get_rng_state()
    other = _device_state(device)
    try:
        yield
    finally:
        torch.set_rng_state(cpu)
        if other is not None and device.type == "cuda":
            torch.cuda.set_rng_state(other, device)
        elif other is not None:
            torch.mps.set_rng_state(other)


def seed_generators(device: torch.device, seed: int) -> None:
    """Set the generators dropout draws from. Cheap enough for every step: 1.2 us on the CPU, measured."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def deterministic_algorithms(device: torch.device, wanted: bool) -> Iterator[None]:
    """Refuse operators that give other bits each time. CPU operators repeat at a fixed thread count as they are.

    Raises:
        TrainingFailed: the network uses an operator that has no deterministic form on this device.
    """
    if not wanted or device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads nothing else
    before = torch.are_deterministic_algorithms_enabled()
    benchmark, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, False
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        first = str(error).split(".", maxsplit=1)[0]
        raise TrainingFailed(f"{first}. Set training.deterministic: false, or train on the CPU") from error
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """Convolutions in full float32 inside, the same algorithm each time.

    cuDNN has TF32 on by default, whose 10 bits make a row's scores depend on the shape of its batch by about 1e-3.
    """
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = False, True, False
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before


def autocast_dtype(precision: Precision, device: torch.device, kind: str) -> torch.dtype | None:
    """The type of matrix products inside autocast; None without autocast.

    ``auto`` is bf16 for images and text on a GPU that computes in it (compute capability 8), else fp32: tables have
    small networks, which gain nothing, and targets that need the digits.

    Raises:
        SpecError: fp16 on MPS, where nothing was tried.
    """
    if precision == "auto":
        gpu = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if gpu and kind in ("image", "tokens", "language") else None
    if precision == "fp16":
        if device.type not in ("cuda", "cpu"):
            raise SpecError(f"training.precision: fp16 needs CUDA or a CPU, this is {device.type}. Use bf16 or fp32.")
        return torch.float16
    return torch.bfloat16 if precision == "bf16" else None


@contextmanager
def memory_errors(device: torch.device, *, predicting: bool = False) -> Iterator[None]:
    """Say what to do when the device's memory is full, in training or in predicting (which has its own blocks).

    Raises:
        ResourceMissing: it is.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_full(error):
            raise
        if predicting:
            raise ResourceMissing(
                f"{device} ran out of memory in predicting, whose blocks of rows go by the size of the network. Use a "
                "smaller network, or a device with more memory"
            ) from error
        raise ResourceMissing(
            f"{device} ran out of memory. Lower training.batch_size and raise training.accumulate by the same factor "
            "(the result stays), or set training.activation_checkpointing: true"
        ) from error


def _device_state(device: torch.device) -> torch.Tensor | None:
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else None
