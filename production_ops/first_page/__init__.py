"""What the gateway's landing page shows: what runs and how healthy it is, and live evidence of five guided steps.

`core/` judges, the other modules ask. Everything is asked when somebody looks, and nothing is shown that was not found.
"""
