"""Rules of safety that are checked, not only written down."""
