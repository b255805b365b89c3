"""Requests of people who mean no good, as many as one likes; the same for a seed."""

import gzip
import random
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.bootstrap import Pipeline
from pipeline.permit import Lane
from tests.system.receiving import (
    SECRET,
    Receiver,
    basic,
    ghl_body,
    mailjet_body,
    signed,
)

MARK = "ann.marie.was.here@example.com"
"""Stands in every request, and must stand in no answer and no log."""
FORGER = Ed25519PrivateKey.from_private_bytes(b"a key that GHL never heard of...")
ANSWER_SECONDS = 60.0
CLIENTS = 8
MANY_BYTES = 5 * 2**20
REFUSED = frozenset({400, 401, 404, 405, 413, 414, 431, 501})
CUT_OFF = 0
"""No answer: the connection was closed while we still sent."""
KNOWN_GHL = ghl_body(id="contact1", webhookId="replayed")
KNOWN_MAILJET = mailjet_body(7)
Dice = random.Random


@dataclass(frozen=True)
class Attack:
    """One request as bytes, and the answers that are right."""

    kind: str
    sent: bytes
    right: frozenset[int] = REFUSED


@dataclass(frozen=True)
class Report:
    """What came of them.

    Args:
        wrong: answers that are not right, by kind.
        echoes: answers that repeat what was sent.
        grown_bytes: of the receiver's memory, since a fifth was sent.
    """

    sent: Counter[str]
    answers: Counter[int]
    wrong: Counter[tuple[str, int]]
    echoes: int
    effects: int
    processes: tuple[list[int], list[int]]
    grown_bytes: int

    @property
    def crashes(self) -> bool:
        before, after = self.processes
        return before != after


def attack(receiver: Receiver, pipeline: Pipeline, count: int, seed: int) -> Report:
    """Send so many; nothing else may be posted meanwhile, and no worker may run."""
    assert receiver.ghl(KNOWN_GHL) == receiver.mailjet(KNOWN_MAILJET) == 200
    dice = random.Random(seed)
    attacks = [make(dice) for make in dice.choices(MAKERS, k=count)]
    state, processes = _state(pipeline), receiver.answering()
    outcome: list[tuple[Attack, int, bytes]] = []
    warm = count // 5
    with ThreadPoolExecutor(CLIENTS) as pool:
        outcome += pool.map(lambda one: _send(receiver, one), attacks[:warm])
        resident = resident_bytes(processes[0])
        outcome += pool.map(lambda one: _send(receiver, one), attacks[warm:])
    alive = receiver.answering()
    return Report(
        sent=Counter(one.kind for one, _, _ in outcome),
        answers=Counter(status for _, status, _ in outcome),
        wrong=Counter((a.kind, s) for a, s, _ in outcome if s not in a.right),
        echoes=sum(MARK.encode() in answer for _, _, answer in outcome),
        effects=_state(pipeline) != state,
        processes=(processes, alive),
        grown_bytes=resident_bytes(alive[0]) - resident,
    )


def resident_bytes(pid: int) -> int:
    """What a process has in memory, as Linux tells."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def _state(pipeline: Pipeline) -> object:
    """All that a webhook could change."""
    backlog = pipeline.kit("default").ledger.backlog()
    entries = pipeline.redis.hgetall("gm:inbox")
    lanes = [getattr(backlog, lane) for lane in Lane]
    return pipeline.inbox.counts(), entries, lanes, pipeline.inbox.handled()


def _send(receiver: Receiver, one: Attack) -> tuple[Attack, int, bytes]:
    address = ("127.0.0.1", receiver.port)
    answer = b""
    with socket.create_connection(address, timeout=ANSWER_SECONDS) as client:
        with suppress(OSError):
            client.sendall(one.sent)
            client.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while some := client.recv(65_536):
                answer += some
    status = answer.split(b" ", 2)[1:2]
    return one, int(status[0]) if status else CUT_OFF, answer


def _request(
    path: str,
    body: bytes,
    headers: dict[str, str],
    *,
    method: str = "POST",
    length: int | None = None,
) -> bytes:
    told = {"Host": "receiver", "X-About": MARK, "Connection": "close", **headers}
    if "Transfer-Encoding" not in told:
        told["Content-Length"] = str(len(body) if length is None else length)
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _some_body(dice: Dice) -> bytes:
    return ghl_body(id=f"c{dice.random()}", email=MARK, webhookId=f"{dice.random()}")


def _authentic(dice: Dice, body: bytes) -> tuple[str, dict[str, str]]:
    """A path, and the headers of who may post there."""
    return dice.choice(
        [
            ("/webhooks/ghl", signed(body)),
            ("/webhooks/mailjet/default", basic(SECRET)),
            ("/webhooks/workflow/default/contact", {"X-Webhook-Secret": SECRET}),
        ]
    )


def forged(dice: Dice) -> Attack:
    body = _some_body(dice)
    wrong = f"{SECRET[:-1]}{dice.choice('abcdefg')}"
    path, headers = dice.choice(
        [
            ("/webhooks/ghl", signed(body, FORGER)),
            ("/webhooks/ghl", signed(body + b" ")),
            ("/webhooks/ghl", {"X-GHL-Signature": "N/A"}),
            ("/webhooks/ghl", {"X-GHL-Signature": MARK}),
            ("/webhooks/ghl", {"X-WH-Signature": MARK}),
            ("/webhooks/ghl", {}),
            ("/webhooks/mailjet/default", basic(wrong)),
            ("/webhooks/mailjet/default", basic(SECRET, MARK)),
            ("/webhooks/mailjet/default", {"Authorization": f"Basic {MARK}"}),
            ("/webhooks/mailjet/default", {"Authorization": f"Digest {MARK}"}),
            (f"/webhooks/mailjet/{MARK}", basic(SECRET)),
            ("/webhooks/mailjet/default", {}),
            ("/webhooks/workflow/default/dnd", {"X-Webhook-Secret": wrong}),
            ("/webhooks/workflow/default/dnd", {}),
        ]
    )
    return Attack("forged", _request(path, body, headers), frozenset({401}))


def truncated(dice: Dice) -> Attack:
    body = _some_body(dice)
    path, headers = _authentic(dice, body)
    whole = _request(path, body, headers)
    head = whole.index(b"\r\n\r\n") + 4
    cut = dice.randrange(head, len(whole)) if dice.random() < 0.7 else dice.randrange(9)
    right = {400, 401} if cut >= head else {400, CUT_OFF}
    return Attack("truncated", whole[:cut], frozenset(right))


def huge(dice: Dice) -> Attack:
    body = b'{"email": "' + MARK.encode() + b'"}' + b" " * MANY_BYTES
    path, headers = _authentic(dice, b"")
    right = frozenset({413, CUT_OFF})
    match dice.randrange(3):
        case 0:
            return Attack("huge", _request(path, body, headers), right)
        case 1:
            told = dice.choice([2**31, 2**40, 2**63])
            return Attack("huge", _request(path, b"{", headers, length=told), right)
    chunks = b"".join(b"100000\r\n" + b" " * 2**20 + b"\r\n" for _ in range(6))
    headers = {**headers, "Transfer-Encoding": "chunked"}
    return Attack("huge", _request(path, chunks, headers), right)


def wrong_type(dice: Dice) -> Attack:
    body = dice.choice(
        [
            b"",
            b"17",
            b"null",
            b"true",
            b"-",
            b"NaN",
            f'"{MARK}"'.encode(),
            f"email={MARK}".encode(),
            f"<email>{MARK}</email>".encode(),
            b"9" * 100_000,
            b'{"number": ' + b"9" * 100_000 + b"}",
        ]
    )
    path, headers = _authentic(dice, body)
    types = ["text/plain", "application/xml", "multipart/form-data", MARK]
    headers = {**headers, "Content-Type": dice.choice(types)}
    return Attack("wrong type", _request(path, body, headers), frozenset({400}))


def wrong_encoding(dice: Dice) -> Attack:
    text = _some_body(dice).decode()
    body = dice.choice(
        [
            text.encode("utf-16"),
            text.encode("utf-32"),
            text.encode("utf-8-sig"),
            gzip.compress(text.encode()),
            text.encode()[:-2] + b'\xff\xfe"}',
            text.encode()[:-2] + b'\xed\xa0\x80"}',
            bytes(dice.randbytes(dice.randrange(1, 5000))),
        ]
    )
    path, headers = _authentic(dice, body)
    return Attack("wrong encoding", _request(path, body, headers), frozenset({400}))


def replayed(dice: Dice) -> Attack:
    sent = dice.choice(
        [
            _request("/webhooks/ghl", KNOWN_GHL, signed(KNOWN_GHL)),
            _request("/webhooks/mailjet/default", KNOWN_MAILJET, basic(SECRET)),
        ]
    )
    return Attack("replayed", sent, frozenset({200}))


def deep(dice: Dice) -> Attack:
    depth = dice.choice([100, 900, 9_000, 90_000])
    opened, closed = dice.choice([(b"[", b"]"), (b'{"a":', b"}")])
    body = opened * depth + dice.choice([b"1" + closed * depth, b""])
    path, headers = _authentic(dice, body)
    return Attack("deep", _request(path, body, headers), frozenset({400}))


def badly_chunked(dice: Dice) -> Attack:
    body = dice.choice(
        [
            b"5\r\nhello",
            b"zz\r\nhello\r\n0\r\n\r\n",
            b"-5\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\nhello",
            b"5" * 100_000,
            b"5;" + b"x" * 100_000,
            b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 20_000,
            b"5\r\nhello\r\n0\r\nBad trailer " + MARK.encode() + b"\r\n\r\n",
            b"1\r\n[\r\n",
            b"",
        ]
    )
    path, headers = _authentic(dice, b"")
    coding = dice.choice(["chunked", "chunked", "chunked", "gzip, chunked", "identity"])
    sent = _request(path, body, {**headers, "Transfer-Encoding": coding})
    return Attack("badly chunked", sent)


def out_of_place(dice: Dice) -> Attack:
    body = _some_body(dice)
    signature = signed(body)
    ghl = "/webhooks/ghl"
    sent = dice.choice(
        [
            _request(ghl, body, signature, method="PUT"),
            _request(ghl, body, signature, method="DELETE"),
            _request(ghl, body, signature, method="TRACE"),
            _request(ghl, body, signature, method=f"POST{MARK}"),
            _request(f"/webhooks/{MARK}", body, signature),
            _request("/webhooks/workflow/default/%2e%2e", body, signature),
            _request("/webhooks/../../etc/passwd", body, signature),
            _request("/webhooks/mailjet/%ff%00", body, signature),
            _request(f"/webhooks/mailjet/{'x' * 5000}", body, signature),
            _request(ghl, body, {"X-Long": "x" * 20_000}),
            _request(ghl, body, {f"X-{n}": "y" for n in range(200)}),
            _request(ghl, body, {"Bad Header": MARK}),
            _request(ghl, body, {"Content-Length": MARK}),
            _request(ghl, body, {"Transfer-Encoding": MARK}),
            f"POST {ghl} {MARK}\r\n\r\n".encode(),
            f"{MARK}\r\n\r\n".encode(),
            dice.randbytes(300) + MARK.encode() + b"\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + MARK.encode(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ]
    )
    return Attack("out of place", sent, REFUSED | {CUT_OFF, 417, 505})


MAKERS: tuple[Callable[[Dice], Attack], ...] = (
    forged,
    truncated,
    huge,
    wrong_type,
    wrong_encoding,
    replayed,
    deep,
    badly_chunked,
    out_of_place,
)
