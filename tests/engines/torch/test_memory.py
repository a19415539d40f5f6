"""Freed memory stays in the process while a network trains, and goes back afterwards."""

import platform
import resource

import psutil
import pytest
import torch

from trainwright.engines.torch.memory import kept_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of glibc alone is set")
BLOCK, TIMES = 80 << 20, 12  # above every threshold glibc moves to by itself


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    """Without what the environment may say of malloc."""
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_ARENA_MAX_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)


def faults():
    """Page faults of taking and freeing a block many times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(TIMES):
        torch.empty(BLOCK, dtype=torch.uint8).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_block_taken_again_costs_no_page_faults():
    pages = BLOCK // resource.getpagesize()
    with kept_memory(torch.device("cpu")):
        assert faults() < 4 * pages
    assert faults() > (TIMES - 1) * pages, "put back"


def test_what_is_free_goes_back_to_the_system_at_the_end():
    process = psutil.Process()
    before = process.memory_info().rss
    with kept_memory(torch.device("cpu")):
        faults()
        assert process.memory_info().rss > before + BLOCK // 2
    assert process.memory_info().rss < before + BLOCK // 2


def test_who_sets_malloc_by_the_environment_is_left_alone(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    with kept_memory(torch.device("cpu")):
        assert faults() > (TIMES - 1) * BLOCK // resource.getpagesize()
