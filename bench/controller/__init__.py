"""The controller's benchmark: many SeldonDeployments at once before a real API server."""
