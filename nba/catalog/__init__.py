"""What gives meaning to ``catalog/``: loading and checking it, and where plans are kept."""
