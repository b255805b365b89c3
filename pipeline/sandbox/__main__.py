"""`python -m pipeline.sandbox` is `ghl-mailjet sandbox`."""

from pipeline.sandbox.command import sandbox

if __name__ == "__main__":
    sandbox(prog_name="ghl-mailjet sandbox")
