"""Types generated from the schemas by `python -m contracts.generate`; never edited by hand."""
