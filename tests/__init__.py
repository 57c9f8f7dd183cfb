"""The tests. They talk to production interfaces only: simulators, in-memory transports, real Wasm."""
