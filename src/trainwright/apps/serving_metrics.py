"""What a server counts, as Prometheus reads it (text exposition format 0.0.4)."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyio import CapacityLimiter

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # the client libraries' own defaults


@dataclass(slots=True)
class Counters:
    """Counts since the start: requests by path and status, rows, and the seconds of requests to ``/predict``."""

    rows: int = 0
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: float = 0.0
    _buckets: Counter[float] = field(default_factory=Counter)
    _limiter: "CapacityLimiter | None" = None

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests[path, status] += 1
        if path == "/predict":
            self.seconds += seconds
            self._buckets[next((b for b in _BUCKETS_S if seconds <= b), float("inf"))] += 1

    def one_at_a_time(self) -> "CapacityLimiter":
        """The place in which requests wait for the model; made in the event loop that uses it."""
        from anyio import CapacityLimiter

        if self._limiter is None:
            self._limiter = CapacityLimiter(1)
        return self._limiter

    def text(self) -> str:
        """All of it, one metric a paragraph."""
        lines = ["# HELP trainwright_requests_total Requests answered.", "# TYPE trainwright_requests_total counter"]
        lines += [
            f'trainwright_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self.requests.items())
        ]
        lines += ["# HELP trainwright_rows_total Rows scored.", "# TYPE trainwright_rows_total counter"]
        lines.append(f"trainwright_rows_total {self.rows}")
        lines.append("# HELP trainwright_predict_seconds Time of requests to /predict.")
        lines.append("# TYPE trainwright_predict_seconds histogram")
        total = 0
        for bucket in (*_BUCKETS_S, float("inf")):
            total += self._buckets[bucket]
            name = "+Inf" if bucket == float("inf") else f"{bucket:g}"
            lines.append(f'trainwright_predict_seconds_bucket{{le="{name}"}} {total}')
        lines += [f"trainwright_predict_seconds_sum {self.seconds:.6f}", f"trainwright_predict_seconds_count {total}"]
        return "\n".join(lines) + "\n"
