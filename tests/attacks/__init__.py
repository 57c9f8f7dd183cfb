"""Adversarial programs against the whole server, over stdio."""
