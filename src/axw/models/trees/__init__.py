"""Parsing: translation into brackets, always a tree over the sentence's words."""
