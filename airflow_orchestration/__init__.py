"""Airflow: the platform's pipelines on a schedule. DAGs start jobs by module path and own no logic."""
