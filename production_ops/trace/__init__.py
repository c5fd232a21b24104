"""`make trace`: one click's journey from the producer to the decisions, by what each hop recorded of it."""
