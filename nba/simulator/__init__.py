"""A seeded retailer with known truth, and a journey engine that plays it against the service."""
