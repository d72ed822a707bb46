"""Is this computer ready: `check()` of lesson 00; how JupyterLab is served."""

from d2lmini.machine.check import check

__all__ = ['check']
