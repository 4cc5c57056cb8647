"""The learning path off the request path: import, training tables, fits, tracking, evaluation."""
