"""Deciding: the pipeline from a customer's state to an answer, the plan it follows, and replay."""
