"""Data that the model need not see: private values are told from others, and tokens stand for them. Pure."""
