"""What the DAGs are made of: operators, hooks and sensors that start the platform's jobs."""
