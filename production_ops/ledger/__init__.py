"""The ledger: every event id from its producer to the features, read with clients of its own."""
