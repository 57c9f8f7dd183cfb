"""Tests against MCP servers that others wrote, where they are installed; `install.py` installs them."""
