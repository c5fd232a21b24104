"""What every layer may use: settings, errors, logging, time. Imports no other layer."""
