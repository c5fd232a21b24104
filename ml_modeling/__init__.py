"""Models of the platform: training sets, rankers, evaluation."""
