"""Running, checking and breaking the platform: the demo, the proofs and the planted faults."""
