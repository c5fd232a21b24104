"""The contracts: each event's JSON Schema, each topic's settings, and the one validator of what is accepted."""
