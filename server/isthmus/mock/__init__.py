"""Upstreams that are not there: answers from documents, locks and recordings, for tests and for trying things out."""
