"""The worker: joins outcomes, teaches the bandit, expires what waited too long, writes the log."""
