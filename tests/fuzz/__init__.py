"""Fuzzing: programs that feed what nobody would write to whatever reads bytes from outside.

A target is a module of `tests.fuzz.targets`; put one there and it is fuzzed. It has `SEEDS`, inputs to start from, and
`check(data)`, which raises when something is wrong. `make fuzz` runs all of them, `make test` each for a few seconds.
"""
