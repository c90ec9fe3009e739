"""The prediction API: FastAPI app, model swap, online features."""
