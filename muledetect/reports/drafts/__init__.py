"""Drafts for the officer: fields of a suspicious-transaction report, and XML in the shape of goAML."""
