"""The faces that a client sees: they translate, and nothing else."""
