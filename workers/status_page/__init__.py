"""The status page on the receiver: connections, runs, dead letters, one contact.

Rendered here whole, so that it works without JavaScript; a little of that reads the
moving parts anew. Reached with `STATUS_PAGE_AUTH` alone. Contacts are known by their
ids: no address, name or value is on any page, nor in a URL.
"""
