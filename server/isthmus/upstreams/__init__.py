"""Where operations come from: MCP servers and OpenAPI services, each behind the `Upstream` port."""
