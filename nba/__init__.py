"""Next-best-action decisioning: what to say to this customer, here, now, or to say nothing."""
