"""What a sync would do, before it does it; and doing exactly that.

A plan runs `sync.reconcile.sync_contact` itself, on pictures of both vendors that a
write changes instead of the vendor (`pictured_ghl`, `pictured_mailjet`), with a memory
that remembers here alone (`memory`). Each write is taken down on its way (`watched`):
what it changes from what to what (`changes`), and a keyed digest (`digests`). Applying
runs the same code on the real vendors, and lets a write pass only if its digest is in
the plan (`guard`).

Reading order: `planner`, `watched`, `pictured_ghl`, `guard`, `applying`.
"""
