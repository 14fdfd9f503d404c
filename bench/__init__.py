"""Benchmarks: each says what it measures, beside what, and in which configuration."""
