"""OpenAPI, as pure functions: a document becomes operations, a call becomes a request, a response becomes an answer."""
