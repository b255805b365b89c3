"""Every key in Redis: its name, its size, its bound, and who deletes it.

Beside the row cache and what is about to be sent (600 s each), and what came in and is
not handled yet, no address is stored: only keyed fingerprints are, and the key is made
at the first `setup`.
"""

from dataclasses import dataclass

PREFIX = "gm:"
"""All our keys begin with it; Celery's do not."""


@dataclass(frozen=True)
class Key:
    """One family of keys.

    Args:
        name: what follows `gm:` or `gm:CONNECTION:`.
        holds: what it is, with bytes for each entry.
        bound: how large it can get.
        deleted_by: who takes entries out.
    """

    name: str
    holds: str
    bound: str
    deleted_by: str


PROCESS_KEYS = (
    Key("workers", "zset, slots, boot, name: 100", "workers alive", "next heartbeat"),
    Key("tick", "time of Beat's last tick: 13", "one", "never"),
    Key("beat:*", "a Beat of this host rang: 1", "hosts of Beats", "10 s"),
    Key("busy", "connections with work at the last tick: 8", "one", "never"),
    Key("turn", "whose turn it is among the connections: 8", "one", "never"),
    Key("minute", "calls were noted in this minute: 1", "one", "TTL"),
    Key("bucket:*", "hash and day counters of one allowance: 200", "resources", "TTL"),
    Key("inbox", "hash, id to what was sent: 700", "100000 + 10000", "end of handling"),
    Key("inbox-due", "zset of ids to handle: 90", "100000", "end of handling"),
    Key("inbox-tries", "hash, id to tries, reason: 150", "inbox", "end of handling"),
    Key("inbox-failed", "zset of ids kept: 90", "10000", "replay, 7 days"),
    Key("inbox-seen", "zset of ids, for repeats: 90", "events of 7 days", "7 days"),
    Key("inbox-key", "key of the ids: 32", "one", "never"),
    Key("inbox-rung", "somebody was told of entries: 1", "one", "claim, 60 s"),
    Key("inbox-probe", "what `GET /health` writes: 1", "one", "60 s"),
    Key("alerts", "hash, what was told of what is wrong: 150", "20", "end of it"),
    Key("alerts-claimed", "somebody looks for what is wrong: 1", "one", "50 s"),
    Key("alerts-seen", "hash, what may pass to its time: 50", "ten each", "next look"),
    Key("alerts-counts", "hash, counts at the last look: 50", "two each", "never"),
    Key("received", "hash, answers of the receiver: 40", "30", "never"),
    Key("handled", "hash, ends of entries: 40", "30", "never"),
)
CONNECTION_KEYS = (
    Key("todo:bulk", "zset of waiting ids: 90", "5 minutes of budget", "lease"),
    Key("todo:live", "zset of waiting ids: 90", "contacts", "lease"),
    Key("todo:consent", "zset of waiting ids: 90", "contacts", "lease"),
    Key("leased", "zset of leased ids: 90", "six for each slot", "end of lease"),
    Key("tokens", "hash, id to fencing token: 90", "leased", "end of lease"),
    Key("lanes", "hash, id to lane: 90", "leased", "end of lease"),
    Key("owners", "hash, id to a worker's boot: 90", "slots", "end of lease"),
    Key("again", "hash, id to lane: 90", "leased", "end of lease"),
    Key("writing", "hash, id to addresses: 100", "unsettled ids", "settlement"),
    Key("held", "hash, address to id: 90", "leased", "end of lease"),
    Key("attempts", "hash, id to count: 80", "failing ids", "settlement, burial"),
    Key("expiries", "hash, id to count: 80", "expired ids", "settlement, burial"),
    Key("dead", "hash, id to letter: 400", "dead letters", "settlement, replay"),
    Key("timeline:", "list, what happened to one id: 150", "50 entries", "14 days"),
    Key("run", "hash, the current or last run: 600", "one", "next run"),
    Key("found", "set of the run's ids: 70", "contacts", "end of run"),
    Key("open", "set of the run's unfinished ids: 70", "contacts", "end of run"),
    Key("runs", "list of finished runs: 600", "50", "end of run"),
    Key(
        "snapshots",
        "hash, id to snapshot: 320, and 26 a task, note",
        "contacts",
        "deletion in GHL",
    ),
    Key("addresses", "hash, address to ids: 80", "contacts", "address change"),
    Key("consent", "hash, id to statements: 150", "who said no", "deletion in GHL"),
    Key("told", "hash, address or id to what events said: 120", "who said no", "never"),
    Key("alive", "hash, address to 4 bytes: 70", "addresses mailed", "never"),
    Key("drift", "the last consent report: 200", "one", "next report"),
    Key("emptying:mass:*", "set of ids that lost something: 70", "an hour's", "7200 s"),
    Key("emptying:held", "set of ids that would lose it: 70", "a mass", "decision"),
    Key("emptying:confirmed", "a mass of these may pass: 1", "one", "1 day"),
    Key("optouts:mass:*", "set of ids opted out in GHL: 70", "an hour's", "7200 s"),
    Key("optouts:held", "set of ids not yet unsubscribed: 70", "a mass", "decision"),
    Key("optouts:confirmed", "a mass of opt-outs may pass: 1", "one", "1 day"),
    Key("reading:*", "how far a feed of Mailjet's was read: 13", "six", "never"),
    Key("happened:*", "set of a day's events, 8 bytes each: 60", "events", "10 days"),
    Key("seen", "hash, id to Mailjet's side: 160", "differing ids", "settlement"),
    Key("touched", "hash, id to kinds to read: 90", "pointed at", "settlement"),
    Key("crossings", "zset, kind and id by due time: 90", "due items", "crossing"),
    Key(
        "swept:tasks",
        "hash, id to rows that differ: 220",
        "contacts",
        "settlement, 21600 s",
    ),
    Key(
        "swept:meetings",
        "hash, id to rows that differ: 220",
        "contacts",
        "settlement, 21600 s",
    ),
    Key("sweep:*", "hash, id to rows, being read: 220", "contacts", "600 s"),
    Key("differing:*", "those of them that differ: 220", "contacts", "600 s"),
    Key("incoming:*", "hash, entry to text, of one id: 500", "asked for", "7 days"),
    Key("interactions:*", "hash, event to its facts: 400", "200 an address", "7 days"),
    Key("engaged:*", "zset, what was opened, clicked: 90", "500 an address", "90 days"),
    Key("rules", "hash, id to what rules remember: 150", "contacts", "deletion in GHL"),
    Key(
        "orders",
        "hash, order to where it is: 330, and what happened",
        "200000",
        "its end, later",
    ),
    Key("orders:of", "hash, id to its orders: 110", "unended orders", "end of them"),
    Key("orders:ready", "zset of orders to send: 110", "unended orders", "sending"),
    Key("orders:out", "zset of orders being sent: 110", "100 a sender", "their end"),
    Key("orders:ended", "zset of the last three months: 110", "200000", "later ends"),
    Key("orders:day", "hash, id to day and count: 85", "contacts", "deletion in GHL"),
    Key("message:", "what one order sends, compressed: 500", "ready orders", "600 s"),
    Key("campaigns", "hash, campaign and end to count: 80", "campaigns", "never"),
    Key("strangers", "hash, entry to text: 500", "10000", "import, 7 days"),
    Key("feed:*", "time up to which a feed was read: 13", "two", "never"),
    Key("listed:*", "set of entries in its last window: 60", "window", "7 days"),
    Key("pointed:*", "hash, id to checksum of rows: 70", "differing ids", "1 day"),
    Key("turn:notes", "day up to which notes had their turn: 5", "one", "never"),
    Key("health", "hash of failures and pause: 300", "one", "settlement, resume"),
    Key("suspects", "hash, vendor:id to count: 90", "failing ids", "settlement, probe"),
    Key("success", "hash, when what last worked: 40", "one", "never"),
    Key("callbacks", "hash, how many Mailjet calls: 60", "one", "next look"),
    Key("fence", "counter: 8", "one", "never"),
    Key("calls", "list of the day's calls, minute by minute: 30", "181", "10800 s"),
    Key("paused", "time when an operator paused: 13", "one", "resume"),
    Key("rests", "why no contact goes out: 40", "one", "60 s"),
    Key("rests:bulk", "why no bulk contact goes out: 40", "one", "60 s"),
    Key("row:", "GHL's row of one id, compressed: 600", "bulk todo + 500", "600 s"),
    Key("optouts:ghl", "set of opted-out ids: 70", "opted-out contacts", "1800 s"),
    Key("optouts:ghl:addresses", "set of addresses: 60", "the same", "1800 s"),
    Key("optouts:ghl:next:*", "the same, being read", "the same", "600 s"),
    Key("optouts:mailjet", "set of addresses: 60", "opted-out addresses", "next read"),
    Key("optouts:mailjet:next:*", "the same, being read", "the same", "600 s"),
    Key("members:*", "set of Mailjet ids on a list: 50", "members", "600 s"),
    Key("unsubscribed:*", "set of Mailjet ids, being read: 50", "the same", "600 s"),
    Key("setup", "hash: key, list, what was found: 500", "one", "never"),
    Key("watermark", "time of the newest change seen: 13", "one", "never"),
    Key("full_run", "time when a full run last began: 13", "one", "never"),
    Key("missing", "count of missing contacts held back: 8", "one", "next run"),
    Key("deleted:*", "set of ids told deleted: 70", "an hour's", "7200 s"),
    Key("missing:accepted", "the run that may delete many: 12", "one", "1 day"),
    Key("due:*", "a periodic task ran in this interval: 1", "tasks", "TTL"),
)


def process_key(name: str) -> str:
    return f"{PREFIX}{name}"


def connection_key(connection: str, name: str) -> str:
    return f"{connection_prefix(connection)}{name}"


def connection_prefix(connection: str) -> str:
    """For scripts that name the keys of a connection themselves."""
    return f"{PREFIX}{connection}:"


def bucket_key(vendor: str, resource: str) -> str:
    """The allowance belongs to the resource, whichever connections use it."""
    return f"{PREFIX}bucket:{vendor}:{resource}"
