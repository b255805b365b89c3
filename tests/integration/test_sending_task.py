"""A tick rings for what is ready, and the task that it rings sends it."""

import json
import subprocess
import sys

from pipeline.sync.orders import Decision, State
from tests.driver import Driver
from tests.orders import FUTURE_MS, make_order, settle_orders
from tests.ruled import let_mails_leave
from tests.sandbox import fresh_email
from tests.sandbox_sending import DOMAIN
from tests.valkey import Valkey

SCRIPT = """
from workers import tasks

tasks.dispatch_tick()
print(tasks.campaign_send("default"))
tasks.dispatch_tick()
"""


def test_a_tick_rings_once_for_a_connection_with_something_to_send(
    driver: Driver, valkey: Valkey
) -> None:
    let_mails_leave(driver)
    order = make_order()
    mail = {
        "email": fresh_email(),
        "template_id": 1001,
        "campaign": "welcome",
        "sender": f"hello@{DOMAIN}",
        "transactional": True,
        "until_ms": FUTURE_MS,
    }
    ready = Decision(State.READY, payload=mail)
    settle_orders(driver.ledger, "ana", [order], [ready])
    redis = driver.pipeline.redis
    redis.delete("live")

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**driver.sandbox.env, "REDIS_URL": valkey.url},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split("\n")[0] == "1 looked at"
    (placed,) = driver.kit.orders.of_contact("ana")
    assert placed.state is State.REHEARSED
    rung = [json.loads(message) for message in redis.lrange("live", 0, -1)]
    (sent,) = [one for one in rung if one["headers"]["task"] == "campaign.send"]
    assert json.loads(sent["headers"]["kwargsrepr"].replace("'", '"')) == {
        "connection": "default"
    }
    redis.delete("live")
