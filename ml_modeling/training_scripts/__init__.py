"""Training as commands: the dataset, the pipeline and what it reports."""
