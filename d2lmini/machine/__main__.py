"""`python -m d2lmini.machine` checks this computer."""

from d2lmini.machine.findings import check

check()
