"""Where the audit log goes: a file of JSON lines, and OpenTelemetry."""
