"""What `make install-systemd` lays where, and what it leaves alone.

The environment itself is `make package`'s to prove; here nothing is put into it.
"""

import os
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
EMPTY_ENVIRONMENT = """#!/bin/sh
# python -m venv FOLDER, without any wheel
mkdir -p "$3/bin"
printf '#!/bin/sh\\n' > "$3/bin/python"
printf '#!%s/bin/python\\n' "$3" > "$3/bin/celery"
chmod +x "$3/bin/python" "$3/bin/celery"
"""


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    return tmp_path / "stage"


def install(stage: Path, prefix: str = "/usr/local") -> str:
    python = stage.parent / "python"
    python.write_text(EMPTY_ENVIRONMENT)
    python.chmod(0o755)
    told = {
        "DESTDIR": str(stage),
        "PREFIX": prefix,
        "PYTHON": str(python),
        "WHEEL": "any.whl",
        "CONSTRAINTS": "constraints.txt",
    }
    done = subprocess.run(
        [str(DEPLOY / "systemd" / "install.sh")],
        env={"PATH": os.environ["PATH"], **told},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_everything_is_below_the_prefix_and_the_units_know_it(stage: Path) -> None:
    said = install(stage, prefix="/opt/ours")

    units = stage / "opt/ours/lib/systemd/system"
    beat = (units / "ghl-mailjet-beat.service").read_text()
    names = {path.name for path in (DEPLOY / "systemd").glob("ghl-mailjet*")}
    assert {path.name for path in units.iterdir()} == names
    assert "ExecStart=/opt/ours/lib/ghl-mailjet/bin/celery -A workers beat\n" in beat
    assert "/usr/local" not in beat
    assert "systemctl enable --now ghl-mailjet.target" in said


def test_what_is_staged_will_run_where_it_goes(stage: Path) -> None:
    install(stage)

    celery = (stage / "usr/local/lib/ghl-mailjet/bin/celery").read_text()
    link = os.readlink(stage / "usr/local/bin/ghl-mailjet")
    assert celery == "#!/usr/local/lib/ghl-mailjet/bin/python\n"
    assert link == "/usr/local/lib/ghl-mailjet/bin/ghl-mailjet"


def test_settings_are_the_operators_alone_and_outlive_an_upgrade(stage: Path) -> None:
    install(stage)
    settings = stage / "etc/ghl-mailjet/.env"
    mode = settings.stat().st_mode & 0o777
    settings.write_text("GHL_TOKEN=mine\n")
    install(stage)

    assert mode == 0o600
    assert settings.read_text() == "GHL_TOKEN=mine\n"
