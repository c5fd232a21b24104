"""The FastAPI process: `python -m model_serving.fastapi_server.main`."""
