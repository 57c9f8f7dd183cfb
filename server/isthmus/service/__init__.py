"""The two use cases, search and execute, and what they share: the catalog of the moment, and the sessions."""
