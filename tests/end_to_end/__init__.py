"""The whole server over stdio: the official client on one side, simulated and real upstreams on the other."""
