"""The POS archive (history, by files) and the POS replay (live transactions)."""
