"""A vendor of one connection is gone: that one rests, the other goes on."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.bootstrap import Kit, build
from pipeline.config import from_env
from pipeline.store.state import connection_key
from tests.sandbox import Sandbox, fresh_email
from tests.system.installation import Installation
from tests.system.processes import Processes
from tests.valkey import Valkey

PEOPLE = 70
MOST_OUT = 32
"""Twice the slots of the one worker."""


@pytest.fixture(scope="module")
def other() -> Iterator[Sandbox]:
    """The vendors of the connection `other`."""
    with Sandbox("--contacts", "0") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def two(
    other: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Two connections, set up, each with its own vendors, and one worker for both."""
    file = tmp_path_factory.mktemp("settings") / "connections.toml"
    with Valkey(appendonly="yes") as valkey, Sandbox("--contacts", str(PEOPLE)) as own:
        file.write_text(connections(default=own, other=other))
        secrets = ("GHL_TOKEN", "MAILJET_API_KEY", "MAILJET_SECRET_KEY")
        env = {
            **{name: own.env[name] for name in secrets},
            "REDIS_URL": valkey.url,
            "SYNC_CONNECTIONS_FILE": str(file),
            "SYNC_DETAILS": "always",
            # A poll would sync live what the run is to find, before the vendor is gone.
            "SYNC_CHANGES_INTERVAL_SECONDS": "86400",
        }
        pipeline = build(from_env(env))
        with closing(pipeline.redis), Processes(env) as processes:
            running = Installation(valkey, own, processes, pipeline)
            running.start()
            for words in (("setup",), ("resync",)):
                assert processes.command(*words, "-c", "other").returncode == 0
            running.first_run()
            yield running


def connections(**sandboxes: Sandbox) -> str:
    """`connections.toml`; the sandbox's credentials are no secrets."""
    sections = []
    for name, sandbox in sandboxes.items():
        lines = [f"[connections.{name}]", 'ghl_token_env = "GHL_TOKEN"']
        lines.append('mailjet_api_key_env = "MAILJET_API_KEY"')
        lines.append('mailjet_secret_key_env = "MAILJET_SECRET_KEY"')
        for key in ("GHL_BASE_URL", "MAILJET_BASE_URL", "GHL_LOCATION_ID"):
            lines.append(f'{key.lower()} = "{sandbox.env[key]}"')
        lines.append(f"mailjet_list_id = {sandbox.env['MAILJET_LIST_ID']}")
        lines += ['ghl_rate = "200/10"', 'mailjet_rate = "200/10"']
        sections.append("\n".join(lines))
    return "\n".join(sections)


def has_finished(kit: Kit) -> bool:
    run, backlog = kit.ledger.run(), kit.ledger.backlog()
    waiting = backlog.waiting + backlog.leased
    return run is not None and run.state == "finished" and not waiting


@pytest.mark.parametrize("vendor", ["ghl", "mailjet"])
def test_one_connection_rests_and_the_other_goes_on(
    two: Installation, other: Sandbox, vendor: str
) -> None:
    resting, working = two.kit, two.pipeline.kit("other")
    two.until(lambda: has_finished(resting) and has_finished(working), "idle")
    for contact in two.sandbox.contacts():
        two.sandbox.put_contact(id=contact["id"], city=f"After {vendor}")
    two.call("resync.full")
    two.until(
        lambda: (run := two.last_run()) and run.is_active and run.settled > 10,
        "some contacts are done",
    )

    two.sandbox.add_fault("reset", vendor=vendor)
    two.until(resting.health.paused, "paused")
    two.until(lambda: not resting.ledger.backlog().leased, "nobody is out")
    failed = [call for call in two.sandbox.log(vendor) if call["status"] is None]
    told = json.loads(two.processes.command("status", "-c", "other", "--json").stdout)
    two.sandbox.clear_log()
    newcomers = {fresh_email() for _ in range(20)}
    for email in newcomers:
        other.put_contact(firstName="New", email=email)
    two.processes.call("resync.full", '{"connection": "other"}')
    two.until(
        lambda: newcomers <= {row["email"] for row in other.subscribers()},
        "the other connection's newcomers are in Mailjet",
    )
    meanwhile = two.sandbox.log(vendor)

    assert len(failed) <= MOST_OUT
    assert told["paused"] is None
    assert "nothing: it resumes" in told["others_paused"]["default"]["what_to_do"]
    # At most a probe, whose first comes ten seconds after the pause.
    assert len(meanwhile) <= 2

    two.sandbox.clear_faults()
    two.pipeline.redis.hset(connection_key("default", "health"), "probe_at", 0)
    two.until(lambda: has_finished(resting), "the run has finished")
    run = two.last_run()
    assert run is not None
    assert (run.settled, run.dead) == (PEOPLE, 0)
    assert resting.ledger.backlog().dead == 0
    assert not two.pipeline.redis.exists(connection_key("default", "attempts"))
    assert two.missing() == set()
