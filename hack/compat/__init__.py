"""The wheel beside the libraries that models bring: each set of them in an environment of its own, kept in the cache.

Nothing that is installed there may have to give way to the wheel, and a model that imports all of it is served.
"""
