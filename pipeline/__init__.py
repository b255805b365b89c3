"""Keeps GoHighLevel contacts and Mailjet subscribers aligned.

This package knows GHL, Mailjet and consent, and never imports Celery: everything here
can be used from a Python prompt. `workers/` is the Celery shell around it.

Layers; an import may only point down:

    cli, demo             the `ghl-mailjet` command
    bootstrap             makes and joins all objects
    runs, discovery, dispatch, work, setup, check
    ghl, mailjet, store, session, classify
    sync                  the domain: standard library and errors only
    errors, config, permit, retry

`sandbox/` stands apart: a local GHL and Mailjet that import nothing of ours.

Reading order: `workers/schedule.py` (what rings), `workers/tasks.py`,
`sync/reconcile.py` (the story of one contact), `sync/diff.py` (what it writes).
"""
