"""Mailjet: one API key with its contacts, properties and lists.

Source: dev.mailjet.com, Email API reference and guides, read 2026-11, and what
integrators report where that is silent.
"""
