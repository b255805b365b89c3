"""What the receiver does here: webhooks answered each second, and how soon.

Receiver, Redis (AOF, every second) and those who post share this machine; no worker
runs. Clients keep their connections, as a proxy does.

Run: python -m tests.bench.receiver [--requests N] [--clients N] [--hostile N]
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count

from tests.system.hostile import Report, attack, resident_bytes
from tests.system.receiving import (
    SECRET,
    Receiver,
    basic,
    ghl_body,
    mailjet_body,
    receiving,
    signed,
)
from tests.valkey import Valkey

MOST_REQUESTS = 50_000
"""Each is kept in the inbox, which holds twice as many."""
SEED = 1
HEADING = f"{'what':24} {'requests':>8} {'a second':>8} {'p50 ms':>7} {'p99 ms':>7}"
Made = tuple[str, bytes, dict[str, str]]


@dataclass(frozen=True)
class Figures:
    """Of one kind of request; milliseconds from the first byte sent to the answer."""

    what: str
    seconds: float
    milliseconds: list[float]

    def __str__(self) -> str:
        cuts = statistics.quantiles(self.milliseconds, n=100)
        requests = len(self.milliseconds)
        return (
            f"{self.what:24} {requests:8} {requests / self.seconds:8.0f} "
            f"{cuts[49]:7.1f} {cuts[98]:7.1f}"
        )


def by_ghl(number: int) -> Made:
    body = ghl_body(id=f"contact{number}", firstName="Ann", email="ann@example.com")
    return "/webhooks/ghl", body, signed(body)


def by_mailjet(number: int) -> Made:
    return "/webhooks/mailjet/default", mailjet_body(number), basic(SECRET)


def grouped(number: int) -> Made:
    events = b",".join(mailjet_body(1000 * number + n) for n in range(100))
    return "/webhooks/mailjet/default", b"[%s]" % events, basic(SECRET)


def repeated(number: int) -> Made:
    return by_mailjet(number % 10)


def forged(number: int) -> Made:
    path, body, headers = by_ghl(number)
    return path, body + b" ", headers


KINDS: dict[str, tuple[Callable[[int], Made], int]] = {
    "GHL, signed": (by_ghl, 200),
    "Mailjet, one event": (by_mailjet, 200),
    "Mailjet, 100 events": (grouped, 200),
    "Mailjet, repeats": (repeated, 200),
    "GHL, forged": (forged, 401),
}
numbers = count(1)


def measure(receiver: Receiver, what: str, requests: int, clients: int) -> Figures:
    make, right = KINDS[what]
    made = [make(next(numbers)) for _ in range(requests)]
    shares = [made[start::clients] for start in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        began = time.perf_counter()
        times = list(pool.map(lambda share: list(post(receiver, share, right)), shares))
        seconds = time.perf_counter() - began
    return Figures(what, seconds, [each for share in times for each in share])


def post(receiver: Receiver, share: list[Made], right: int) -> Iterator[float]:
    """Send them one after the other on one connection; how long each took."""
    connection = HTTPConnection("127.0.0.1", receiver.port, timeout=60)
    for path, body, headers in share:
        began = time.perf_counter()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        yield (time.perf_counter() - began) * 1000
        assert answer.status == right, answer.status
    connection.close()


def tell(report: Report, seconds: float, resident: int) -> None:
    print(f"\nhostile: {sum(report.sent.values())} in {seconds:.0f} s")
    print(f"  kinds    {dict(report.sent)}")
    print(f"  answers  {dict(sorted(report.answers.items()))} (0: cut off)")
    print(f"  wrong    {dict(report.wrong)}")
    print(f"  echoes   {report.echoes}")
    print(f"  effects  {int(report.effects)}, crashes {int(report.crashes)}")
    print(f"  memory   {report.grown_bytes / 2**20:+.1f} MiB, {resident >> 20} in all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2_000, help="of each kind")
    parser.add_argument("--clients", type=int, default=8, help="at a time")
    parser.add_argument(
        "--hostile", type=int, default=0, help="hostile ones after that"
    )
    arguments = parser.parse_args()
    requests = min(arguments.requests, MOST_REQUESTS // len(KINDS))
    with (
        Valkey(appendonly="yes") as server,
        receiving(server) as (receiver, pipeline),
    ):
        print(HEADING)
        for what in KINDS:
            figures = measure(receiver, what, requests, arguments.clients)
            print(figures, flush=True)
        if arguments.hostile:
            began = time.perf_counter()
            report = attack(receiver, pipeline, arguments.hostile, SEED)
            (pid,) = receiver.answering()
            tell(report, time.perf_counter() - began, resident_bytes(pid))


if __name__ == "__main__":
    main()
