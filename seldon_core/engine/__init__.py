"""The service orchestrator: runs the inference graph of a predictor for each request.

The interpreter decides, transports carry; what a message means lives in `seldon_core.protocols`.
"""
