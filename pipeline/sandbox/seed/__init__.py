"""An invented agency: its contacts in GHL, and who of them Mailjet knows already.

The same seed gives the same people. All addresses are in domains that RFC 2606 keeps
for examples, so nothing can ever reach anybody.
"""
