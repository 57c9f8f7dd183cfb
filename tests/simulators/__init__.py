"""Simulated upstreams and workers that implement the production interfaces."""
