"""Texts for the model: signatures, results, and the count of their tokens."""
