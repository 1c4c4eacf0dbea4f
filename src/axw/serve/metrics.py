"""Counts of the server, in the text format of Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Requests by what was asked and how it ended, and how long they took. Labels come from the server's own words only."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.buckets: Counter[int] = Counter()
        self.seconds = 0.0

    def count(self, asked: str, status: int, seconds: float) -> None:
        """One request that has ended."""
        self.requests[asked, status] += 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def to_text(self, gauges: Mapping[str, float]) -> str:
        """All of it; `gauges` by name."""
        lines = ["# TYPE axw_requests_total counter"]
        for (asked, status), count in sorted(self.requests.items()):
            lines.append(f'axw_requests_total{{asked="{asked}",status="{status}"}} {count}')
        lines.append("# TYPE axw_request_seconds histogram")
        total = 0
        for i, bound in enumerate(BOUNDS):
            total += self.buckets[i]
            lines.append(f'axw_request_seconds_bucket{{le="{bound}"}} {total}')
        total += self.buckets[len(BOUNDS)]
        lines += [
            f'axw_request_seconds_bucket{{le="+Inf"}} {total}',
            f"axw_request_seconds_sum {self.seconds:.6f}",
            f"axw_request_seconds_count {total}",
        ]
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE axw_{name} gauge", f"axw_{name} {value:g}"]
        return "\n".join(lines) + "\n"
