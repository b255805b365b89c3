"""The memory of calls: who asked for what, when, and what the answer was."""

from collections import Counter, deque
from collections.abc import Iterator

from pipeline.sandbox.wire import Answer, Call, Row

REMEMBERED_CALLS = 500_000
REMEMBERED_EXCHANGES = 5_000


class Entry:
    """One call; `arrival` in monotonic seconds, `status` None without an answer."""

    __slots__ = ("arrival", "contact", "method", "route", "status", "vendor")

    def __init__(self, arrival: float, vendor: str, method: str, route: str) -> None:
        self.arrival = arrival
        self.vendor = vendor
        self.method = method
        self.route = route
        self.status: int | None = None
        self.contact: str | int | None = None

    def as_row(self) -> Row:
        return {name: getattr(self, name) for name in self.__slots__}


class CallLog:
    """The newest calls in the order of their arrival."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=REMEMBERED_CALLS)
        self.exchanges: deque[Row] = deque(maxlen=REMEMBERED_EXCHANGES)

    def arrive(self, arrival: float, vendor: str, method: str, route: str) -> Entry:
        """Remember a call; its answer is filled in later."""
        entry = Entry(arrival, vendor, method, route)
        self._entries.append(entry)
        return entry

    def keep(self, call: Call, answer: Answer) -> None:
        """Remember a request and its answer whole, as the endpoint made it."""
        body = answer.body
        self.exchanges.append(
            {
                "vendor": call.vendor,
                "method": call.method,
                "route": call.route,
                "path": call.path,
                "query": call.repeated,
                "headers": {name.lower(): text for name, text in call.headers.items()},
                "request": call.body.decode("utf-8", "replace"),
                "status": answer.status,
                "answer": body.decode() if isinstance(body, bytes) else body,
            }
        )

    def clear(self) -> None:
        self._entries.clear()
        self.exchanges.clear()

    def of(self, vendor: str | None) -> Iterator[Entry]:
        """The calls to one vendor, or to both."""
        return (e for e in self._entries if vendor in (None, e.vendor))

    def stats(self, windows: dict[str, float]) -> Row:
        """Count the calls of each vendor.

        Args:
            windows: vendor to the seconds in which its busiest moment is measured.
        """
        return {
            vendor: _stats(list(self.of(vendor)), seconds)
            for vendor, seconds in windows.items()
        }


def _stats(entries: list[Entry], window_seconds: float) -> Row:
    counts = Counter((e.method, e.route, e.status) for e in entries)
    return {
        "calls": len(entries),
        "answers_429": sum(e.status == 429 for e in entries),
        "first_arrival": entries[0].arrival if entries else None,
        "last_arrival": entries[-1].arrival if entries else None,
        "window_seconds": window_seconds,
        "busiest_window": _busiest([e.arrival for e in entries], window_seconds),
        "routes": [
            {"method": method, "route": route, "status": status, "calls": calls}
            for (method, route, status), calls in counts.most_common()
        ],
    }


def _busiest(arrivals: list[float], seconds: float) -> int:
    """The most arrivals in any half-open window of that length."""
    busiest = first = 0
    for last, arrival in enumerate(arrivals):
        while arrival - arrivals[first] >= seconds:
            first += 1
        busiest = max(busiest, last - first + 1)
    return busiest
