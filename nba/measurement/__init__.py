"""What the system did, counted from its own ledger: honest lift, and guardrails recounted."""
