"""HTTP/1.1 servers and clients on uvloop: the hot path that engine and microservice share.

Moves bytes and enforces limits; knows neither inference protocols nor graphs.
"""
