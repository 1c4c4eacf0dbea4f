"""Masked words: one sentence is its own memory."""
