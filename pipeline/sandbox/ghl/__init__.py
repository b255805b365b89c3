"""GoHighLevel: one location behind one private integration token.

Source: HighLevel API 2.0, marketplace.gohighlevel.com/docs, read 2026-11, and what
integrators report where that is silent.
"""
