"""Serving: the HTTP API, its replicas, and the process tree that runs them."""
