"""The join of the evidence, without any client."""
