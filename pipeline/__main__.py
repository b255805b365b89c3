"""`ghl-mailjet`, and `python -m pipeline`.

A supervisor asks `ghl-mailjet health` every few seconds, where a tenth of a core may
be all there is: that command alone is imported without all the others.
"""

import sys


def main() -> None:
    """Run the command that was typed."""
    if sys.argv[1:2] == ["health"]:
        from pipeline.cli_health import health

        health(sys.argv[2:], prog_name="ghl-mailjet health")
    from pipeline.cli import main as every_command

    every_command(prog_name="ghl-mailjet")


if __name__ == "__main__":
    main()
