"""What executions came to: their calls in time, what they changed, what was refused, and tokens; and a page of it."""
