"""Mailjet: its calls and its records, and nothing of GoHighLevel."""
