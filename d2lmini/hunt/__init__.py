"""Finding faults: puzzles of broken code, and `probe` to look inside a net."""

from d2lmini.hunt import probe
from d2lmini.hunt.play import diff, fix, guess, score, show, suspect

__all__ = ['diff', 'fix', 'guess', 'probe', 'score', 'show', 'suspect']
