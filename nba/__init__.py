"""Next-best-action decisioning: what to say to this customer, here, now, or whether to say nothing."""
