"""Freed memory stays in the process while a network trains, and goes back afterwards."""

import os
import platform
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of glibc alone is set")

# In a process of its own: what a heap has room for depends on everything that happened in it before. Blocks are larger
# than every threshold that glibc moves to by itself; what is counted are page faults by block.
CODE = """
import os, resource
import psutil, torch
from trainwright.engines.torch.memory import kept_memory

BLOCK, TIMES = 80 << 20, 12

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(TIMES):
        torch.empty(BLOCK, dtype=torch.uint8).fill_(1)
    pages = BLOCK // resource.getpagesize()
    return round((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / pages, 1)

def resident():
    return round((psutil.Process().memory_info().rss - start) / BLOCK, 1)

start = psutil.Process().memory_info().rss
outside = faults()
with kept_memory(torch.device("cpu")):
    inside = faults()
    held = resident()
print(outside, inside, held, resident())
"""


def measured(**environment: str) -> list[float]:
    """Blocks' worth of page faults outside and inside, and blocks held inside and afterwards."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**clean, **environment}, capture_output=True, text=True, check=True
    )
    return [float(word) for word in done.stdout.split()]


def test_a_block_taken_again_costs_no_page_faults_and_goes_back_at_the_end():
    outside, inside, held, after = measured()
    assert outside > 11
    assert inside < 4
    assert held > 0.5
    assert after < 0.5


def test_who_sets_malloc_by_the_environment_is_left_alone():
    outside, inside, _, _ = measured(MALLOC_TRIM_THRESHOLD_="131072")
    assert outside > 11
    assert inside > 11
