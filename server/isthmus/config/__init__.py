"""The configuration: its model, and the loader that reports faults by file, line and remedy."""
