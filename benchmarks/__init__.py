"""Measures this machine, socket to listener: `python -m benchmarks`. Linux only; how and why:
docs/performance.md.
"""
