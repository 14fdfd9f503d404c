"""What the wrapper costs, beside other servers of Python models, each in an environment of its own."""
