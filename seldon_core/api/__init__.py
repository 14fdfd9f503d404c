"""The SeldonDeployment: its types, defaults, rules and the names derived from it.

Pure functions over plain data; nothing here reads a clock, a file or the network.
"""
