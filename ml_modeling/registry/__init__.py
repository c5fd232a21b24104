"""From a trained ranker to a registered version, and to `@champion` through the gate."""
