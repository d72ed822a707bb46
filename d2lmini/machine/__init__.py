"""Is this computer ready for the course: `check()` of lesson 00."""

from d2lmini.machine.findings import check

__all__ = ['check']
