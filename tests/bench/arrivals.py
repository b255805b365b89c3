"""When calls arrived at a vendor, and where the time between them was lost."""

from dataclasses import dataclass

from pipeline.sandbox.limits import Rate
from tests.sandbox import Row

EDGE_SECONDS = 5.0
LARGEST_GAPS = 10
MARGIN_SECONDS = 0.19
"""By so much is the bucket's window longer than the vendor's."""


def spacing_seconds(rate: Rate) -> float:
    """Between two calls of a bucket that is never idle."""
    return (rate.seconds + MARGIN_SECONDS) / (rate.calls - 1)


@dataclass(frozen=True)
class Arrivals:
    """One vendor's calls in the order of their arrival, at least one.

    Args:
        calls: rows of the sandbox's log.
    """

    vendor: str
    calls: list[Row]

    @classmethod
    def by_vendor(cls, log: list[Row]) -> "list[Arrivals]":
        """The busier vendor first."""
        vendors = {call["vendor"] for call in log}
        found = [cls(name, [c for c in log if c["vendor"] == name]) for name in vendors]
        return sorted(found, key=lambda arrivals: -len(arrivals.calls))

    @property
    def moments(self) -> list[float]:
        """Monotonic seconds."""
        return [call["arrival"] for call in self.calls]

    @property
    def seconds(self) -> float:
        """From the first to the last."""
        return float(self.calls[-1]["arrival"] - self.calls[0]["arrival"])

    def busiest(self, seconds: float) -> int:
        """The most calls in any half-open window of that length."""
        return max(self.sliding(seconds))

    def sliding(self, seconds: float) -> list[int]:
        """At each call: how many arrived within so many seconds until then."""
        moments, first, counts = self.moments, 0, []
        for last, moment in enumerate(moments):
            while moment - moments[first] >= seconds:
                first += 1
            counts.append(last - first + 1)
        return counts

    def losses(self, rate: Rate) -> str:
        """Seconds beyond the bucket's own spacing: where, and before which calls."""
        moments, spacing = self.moments, spacing_seconds(rate)
        start, end = moments[0], moments[-1]
        lost = {"first 5 s": 0.0, "middle": 0.0, "last 5 s": 0.0}
        gaps = []
        for before, call in zip(self.calls, self.calls[1:], strict=False):
            moment = call["arrival"]
            gap = moment - before["arrival"]
            if moment - start <= EDGE_SECONDS:
                lost["first 5 s"] += gap - spacing
            elif end - moment < EDGE_SECONDS:
                lost["last 5 s"] += gap - spacing
            else:
                lost["middle"] += gap - spacing
            gaps.append((gap, moment - start, f"{call['method']} {call['route']}"))
        gaps.sort(reverse=True)
        # Zero is added to what rounding made a negative zero.
        rounded = {where: round(seconds, 2) + 0.0 for where, seconds in lost.items()}
        sums = ", ".join(f"{where} {each:+.2f} s" for where, each in rounded.items())
        lines = [f"  lost at {self.vendor}: {sums}; the largest gaps end at"]
        lines += [
            f"    {at:7.2f} s after {gap:5.2f} s, before {what}"
            for gap, at, what in gaps[:LARGEST_GAPS]
        ]
        return "\n".join(lines)
