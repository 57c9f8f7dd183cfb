"""Contracts: what operations took and gave when they were locked, what they take and give now, and what that breaks."""
