"""The rules that a SeldonDeployment is checked against, one module per subject.

Each takes the part that it is about and its path and yields findings; none raises, whatever the shape of its part.
"""
