"""Broken layers to find the faults of, and `probe`, the hooks to look with."""

from d2lmini.hunt import broken, probe

__all__ = ['broken', 'probe']
