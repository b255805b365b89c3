"""`ghl-mailjet`, and `python -m pipeline`.

A supervisor asks `ghl-mailjet health` every few seconds, where a tenth of a core may
be all there is: that command alone is imported without all the others.
"""

import signal
import sys
from collections.abc import Callable


def main() -> None:
    """Run the command that was typed."""
    _ending_at_once(_load)()


def _load() -> Callable[[], object]:
    """Import what was typed; takes a second where the machine is busy."""
    if sys.argv[1:2] == ["health"]:
        from pipeline.commands.health import health

        return lambda: health(sys.argv[2:], prog_name="ghl-mailjet health")
    from pipeline.cli import main as every_command

    return lambda: every_command(prog_name="ghl-mailjet")


def _ending_at_once(load: Callable[[], Callable[[], object]]) -> Callable[[], object]:
    """Load where nothing is to be tidied up, so that Ctrl-C needs no traceback."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.default_int_handler:  # ignored, as in a shell's background
        return load()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return load()
    finally:
        signal.signal(signal.SIGINT, handler)


if __name__ == "__main__":
    main()
