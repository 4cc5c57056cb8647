"""The ledger: the durable record of decisions and outcomes, and the log it is written to."""
