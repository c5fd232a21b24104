"""How good a ranker is, beside its peers, on the same questions."""
