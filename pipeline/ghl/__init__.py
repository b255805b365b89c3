"""GoHighLevel: its calls and its records, and nothing of Mailjet."""
