"""What `-h` and the Tab key tell of every command, and Ctrl-C while modules load."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from tests.test_docs import commands, known_options

GHL_MAILJET = str(Path(sys.executable).parent / "ghl-mailjet")
WITHOUT_JSON = {
    "demo": "shows everything, and stays up",
    "init": "asks a person, and writes files",
    "rules": "is a group that shows nothing itself",
    "sandbox": "runs until it is ended",
}
INTERRUPTED_WHILE_LOADING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "pipeline.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from pipeline.__main__ import main
main()
"""


def found(name: str) -> click.Command:
    command: click.Command = main
    for word in name.split():
        assert isinstance(command, click.Group)
        command = command.commands[word]
    return command


@pytest.mark.parametrize("name", ["", *commands(main)])
def test_help_ends_with_an_example_that_can_be_typed(name: str) -> None:
    told = CliRunner().invoke(main, [*name.split(), "-h"], terminal_width=80)

    (example,) = re.findall(r"^  Example: ghl-mailjet (.*)\n\n", told.stdout, re.M)
    assert f"{example} ".startswith(f"{name} " if name else "")
    assert known_options(example.split())


@pytest.mark.parametrize("name", [n for n in commands(main) if n not in WITHOUT_JSON])
def test_every_command_has_json(name: str) -> None:
    assert "--json" in {flag for option in found(name).params for flag in option.opts}


def completed(words: str) -> list[str]:
    """What Bash gets offered, as the line that `ghl-mailjet` has it evaluate asks."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = CliRunner().invoke(
        main,
        [],
        prog_name="ghl-mailjet",
        env={"_GHL_MAILJET_COMPLETE": "bash_complete", **asked},
    )
    return [line.partition(",")[2] for line in done.stdout.split()]


def test_tab_completes_commands_and_options() -> None:
    assert completed("ghl-mailjet con") == ["consent", "consent-report"]
    assert completed("ghl-mailjet runs p") == ["pause"]
    assert completed("ghl-mailjet health w") == ["worker"]
    assert completed("ghl-mailjet why --js") == ["--json"]


def test_tab_completes_no_contact() -> None:
    assert completed("ghl-mailjet sync ") == []


def test_a_shell_gets_its_completion_from_the_command() -> None:
    done = subprocess.run(
        [GHL_MAILJET],
        env={**os.environ, "_GHL_MAILJET_COMPLETE": "bash_source"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "_GHL_MAILJET_COMPLETE=bash_complete" in done.stdout


def test_ctrl_c_while_modules_load_shows_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING, "status"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == -signal.SIGINT
    assert (done.stdout, done.stderr) == ("", "")
