"""What Beat rings for connections of different rhythms."""

from pathlib import Path

from pipeline.config import from_env
from tests.builders import ENVIRON
from workers.schedule import beat_schedule

TABLE = """
[connections.{}]
ghl_token_env = "GHL_TOKEN"
ghl_location_id = "loc1"
mailjet_api_key_env = "MAILJET_API_KEY"
mailjet_secret_key_env = "MAILJET_SECRET_KEY"
schedule = {{ {} }}
"""


def test_beat_rings_as_often_as_the_connection_that_is_looked_at_most(
    tmp_path: Path,
) -> None:
    file = tmp_path / "connections.toml"
    slow = TABLE.format("slow", "changes_interval_seconds = 600")
    quick = TABLE.format("quick", "feedback_interval_seconds = 30")
    file.write_text(slow + quick, "utf-8")

    entries = beat_schedule(from_env({**ENVIRON, "SYNC_CONNECTIONS_FILE": str(file)}))

    seconds = {name: entry["schedule"] for name, entry in entries.items()}
    assert seconds["discovery.changes"] == 60.0
    assert seconds["discovery.feedback"] == 30.0
    assert seconds["discovery.optouts"] == 300.0
