"""Skills: saved functions, as values. What they are, how their files read, what is let in, and what they are worth."""
