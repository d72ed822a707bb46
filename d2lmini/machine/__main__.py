"""`python -m d2lmini.machine` looks at this computer."""

from d2lmini.machine.check import check

check()
