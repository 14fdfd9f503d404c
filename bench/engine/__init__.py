"""What one request costs on its way through the engine, beside nginx as a reverse proxy."""
