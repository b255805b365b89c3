"""`python -m pipeline` is `ghl-mailjet`."""

from pipeline.cli import main

main()
