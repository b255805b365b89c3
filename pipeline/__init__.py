"""Keeps GoHighLevel contacts and Mailjet subscribers aligned.

This package knows GHL, Mailjet and consent, and never imports Celery: everything here
can be used from a Python prompt. `workers/` is the Celery shell around it.

Layers; an import may only point down:

    cli, commands, demo   the `ghl-mailjet` command
    runs, discovery, polls, feedback, inbox, dispatch, work, setup, check, planning,
    sending
    bootstrap             makes and joins all objects
    ghl, mailjet, store, session (answer, classify, redaction, transport)
    sync                  the domain: standard library and errors only
    errors, config, settings, expressions, permit, retry

`sandbox/` stands apart: a local GHL and Mailjet that import nothing of ours.

Reading order: `workers/schedule.py` (what rings), `workers/tasks.py`,
`sync/reconcile.py` (the story of one contact), `sync/judging.py` and `sync/consent.py`
(may it be mailed), `sync/diff.py` (what it writes).
"""
