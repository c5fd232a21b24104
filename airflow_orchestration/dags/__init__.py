"""One file a pipeline: its docstring is what the Airflow UI shows, its body is wiring."""
