"""`make package`: does the built wheel work where there is nothing but it?

    python deploy/smoke.py dist/ghl_mailjet-0.1.0-py3-none-any.whl

Installs it in an empty environment, looks whether every file of both packages came
along, and runs what an operator types first, from a folder that is not ours: with the
Python that runs this, and with the one of the image where the machine has it.
"""

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from email.parser import BytesParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
PACKAGES = ("pipeline", "workers")
LEFT_OUT = {".pyc"}
OURS = ("GHL_", "MAILJET_", "SYNC_", "REDIS_", "FLOWER_", "CELERY_", "RECEIVER_")
CONTACTS = 5
MADE_UP = {
    "GHL_TOKEN": "t",
    "GHL_LOCATION_ID": "l",
    "MAILJET_API_KEY": "k",
    "MAILJET_SECRET_KEY": "s",
}
"""`celery report` wants settings that could be used, and calls nobody."""


def main(wheel: Path) -> None:
    """Try the wheel.

    Raises:
        SystemExit: something of it is missing, or does not work; says what.
    """
    with zipfile.ZipFile(wheel) as archive:
        _look_inside(archive)
    _try(wheel, sys.executable)
    image = _python_of_image()
    if _is_here(image):
        _try(wheel, image)
    else:
        print(f"{image}, which the image has, is not here: not tried with it")


def _python_of_image() -> str:
    """Such as `python3.13`."""
    told = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    (version,) = set(re.findall(r"^FROM python:([\d.]+)-slim", told, re.MULTILINE))
    return f"python{version}"


def _is_here(python: str) -> bool:
    """A name may be found that only says which others there are."""
    asked = (python, "-V")
    try:
        done = subprocess.run(asked, capture_output=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return False
    return done.returncode == 0


def _try(wheel: Path, python: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, elsewhere = Path(folder, "venv"), Path(folder, "elsewhere")
        elsewhere.mkdir()
        _run(elsewhere, python, "-m", "venv", "--without-pip", home)
        pip = (sys.executable, "-m", "pip", "--python", home / "bin/python")
        pip += ("--disable-pip-version-check",)
        install = (*pip, "install", "-q", "--no-compile", "-c", CONSTRAINTS)
        _run(elsewhere, *install, f"{wheel}[sandbox]")
        _run(elsewhere, *pip, "check")
        report = _run(elsewhere, home / "bin/celery", "-A", "workers", "report")
        _expect("dispatch.tick" in report, report)
        demo = ("demo", "--contacts", str(CONTACTS))
        told = _run(elsewhere, home / "bin/ghl-mailjet", *demo)
        _expect("Full resync" in told, told)
        _expect(not list(elsewhere.iterdir()), "the demo left files behind")
        version = _run(elsewhere, home / "bin/python", "-V").strip()
    print(f"{wheel.name}: complete, and works in an empty environment, {version}")


def _look_inside(archive: zipfile.ZipFile) -> None:
    held = set(archive.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in LEFT_OUT
    }
    _expect(not wanted - held, f"not in the wheel: {sorted(wanted - held)}")
    strange = {name.partition("/")[0] for name in held} - set(PACKAGES)
    strange = {name for name in strange if not name.endswith(".dist-info")}
    _expect(not strange, f"nobody asked for {sorted(strange)} in the wheel")
    (metadata,) = (name for name in held if name.endswith(".dist-info/METADATA"))
    fields = BytesParser().parsebytes(archive.read(metadata))
    _expect(fields["License-File"] == "LICENSE", "no license in the metadata")
    told = fields.get_payload()
    _expect("# Changelog" in told, "no changelog in the metadata")


def _run(folder: Path, *command: str | Path) -> str:
    """What it prints, in that folder, without any setting of ours around."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    environ.pop("PYTHONPATH", None)
    is_report = "report" in command
    done = subprocess.run(  # noqa: S603 - our own words
        list(map(str, command)),
        cwd=folder,
        env={**environ, **(MADE_UP if is_report else {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    _expect(done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"The wheel is not good: {otherwise}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
