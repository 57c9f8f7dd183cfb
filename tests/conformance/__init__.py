"""The official conformance suite of the Model Context Protocol, against our face over HTTP, and our login."""
