"""The catalog: names, the immutable snapshot of all operations, and the index over it. Pure."""
