"""Finding faults: layers that are broken, and `probe` to look inside a net."""

from d2lmini.hunt import broken, probe

__all__ = ['broken', 'probe']
