"""Where events come from: the Complete Journey data as history, and a seeded replay of its last weeks as live."""
