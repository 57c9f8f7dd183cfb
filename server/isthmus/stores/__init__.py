"""What is kept: files of a session's workspace."""
