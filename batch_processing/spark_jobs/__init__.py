"""One job a module: `parse(argv)`, `run(arguments, settings)`, `main(argv)`; started as `python -m`."""
