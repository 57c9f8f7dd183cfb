"""Isthmus: one MCP server that joins a model to every API that its user has.

Nothing is imported here: `isthmus serve` answers its first message before the heavy modules load.
"""

__version__ = "0.1.0"
