"""What stops a connection, for tests that need it stopped."""

from pipeline.retry import Cause, Trouble

DEAD_TOKEN = Trouble("ghl", Cause.CREDENTIAL, "the credential is refused")
GHL_DOWN = Trouble("ghl", Cause.OUTAGE, "ghl: 500")
MAILJET_DOWN = Trouble("mailjet", Cause.OUTAGE, "mailjet: 500")
