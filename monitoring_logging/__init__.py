"""What the platform measures about itself. `metric_registry` names every metric once."""
