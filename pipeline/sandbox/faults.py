"""What may go wrong on request: which calls, how often, and in which way.

The kinds, by the moment at which they strike:

- INSTEAD of the endpoint: `500`, `502` (an HTML page), `503` (plain text), `429`,
  `token_revoked`, `scope_missing`, `no_answer_before` (closed, nothing done), `reset`,
  `refused` (the vendor finds the data wrong: with `contact`, a poison contact).
- SPOILED, after the endpoint has done its work: `no_answer_after` (closed),
  `reset_after`, `slow` (`seconds`), `trickle` (byte by byte over `seconds`),
  `truncated` JSON, `wrong_type` (a list where an object belongs), `empty` body,
  `refused_after`.
- STANDING, for as long as they are listed: `search_lag` and `deleted_linger`
  (`seconds` until GHL's search knows), `read_lag` (`seconds` until a GET by address
  finds a new Mailjet contact), `filter_refused` (`field`), `shifting_pages` (a page
  that is found by counting starts `rows` later, as if rows before it had gone, or
  earlier, as if some had come).
"""

import random
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from itertools import count

from pipeline.sandbox.wire import Call, Row

INSTEAD = frozenset(
    {
        "500",
        "502",
        "503",
        "429",
        "token_revoked",
        "scope_missing",
        "no_answer_before",
        "reset",
        "refused",
    }
)
SPOILED = frozenset(
    {
        "no_answer_after",
        "reset_after",
        "slow",
        "trickle",
        "truncated",
        "wrong_type",
        "empty",
        "refused_after",
    }
)
STANDING = frozenset(
    {"search_lag", "deleted_linger", "read_lag", "filter_refused", "shifting_pages"}
)


@dataclass
class Fault:
    """One thing that goes wrong.

    Args:
        vendor, method: which calls; `*` is any.
        route: a pattern for the route's template, such as `/contacts/*`; `*` is any.
        contact: only calls about this contact id or Mailjet address; None is any.
        probability: of striking a call that fits, 0 to 1.
        times: how many calls it strikes before it is used up; None is without end.
        seconds: of `slow`, `trickle`, `search_lag`, `deleted_linger`, `read_lag`.
        retry_after: seconds in the header of a `429`; None is no header.
        message: the vendor's words; empty takes its usual ones.
        field: what `filter_refused` refuses.
        rows: by how many `shifting_pages` shifts.
    """

    kind: str
    vendor: str = "*"
    method: str = "*"
    route: str = "*"
    contact: str | int | None = None
    probability: float = 1.0
    times: int | None = None
    seconds: float = 5.0
    retry_after: int | None = None
    message: str = ""
    field: str = ""
    rows: int = 1
    id: int = 0

    def fits(self, call: Call) -> bool:
        return (
            self.vendor in ("*", call.vendor)
            and self.method in ("*", call.method)
            and fnmatchcase(call.route, self.route)
            and (self.contact is None or self._is_about(call))
        )

    def _is_about(self, call: Call) -> bool:
        named = str(self.contact)
        return named == str(call.contact) or named.lower() == call.address


class Faults:
    """The faults that are on, oldest first."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._ids = count(1)
        self._faults: list[Fault] = []

    def add(self, described: Row) -> Fault:
        """Switch a fault on.

        Raises:
            ValueError: the kind or a field is unknown.
        """
        known = {field.name for field in fields(Fault)} - {"id"}
        if unknown := described.keys() - known:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        if described.get("kind") not in INSTEAD | SPOILED | STANDING:
            raise ValueError(f"no such kind of fault: {described.get('kind')}")
        fault = Fault(**described, id=next(self._ids))
        self._faults.append(fault)
        return fault

    def remove(self, fault_id: int | None) -> None:
        """Switch one off, or all."""
        self._faults = [f for f in self._faults if fault_id not in (None, f.id)]

    def as_rows(self) -> list[Row]:
        return [asdict(fault) for fault in self._faults]

    def strike(self, call: Call, kinds: frozenset[str]) -> Fault | None:
        """Pick the fault that hits this call; one use of it is spent."""
        for fault in self._faults:
            if fault.kind in kinds and fault.fits(call) and self._is_due(fault):
                if fault.times is not None:
                    fault.times -= 1
                self._faults = [f for f in self._faults if f.times != 0]
                return fault
        return None

    def seconds(self, kind: str) -> float:
        """How long a standing fault holds something up; 0 when it is off."""
        return max((f.seconds for f in self._faults if f.kind == kind), default=0.0)

    def refused_fields(self) -> frozenset[str]:
        """The filters that GHL's search pretends not to know."""
        return frozenset(f.field for f in self._faults if f.kind == "filter_refused")

    def shifted(self, offset: int, call: Call) -> int:
        """Where a page really starts, if rows before it came or went meanwhile."""
        if not offset:
            return 0
        fault = self.strike(call, frozenset({"shifting_pages"}))
        return max(0, offset + fault.rows) if fault else offset

    def _is_due(self, fault: Fault) -> bool:
        return fault.probability >= 1 or self._dice.random() < fault.probability
