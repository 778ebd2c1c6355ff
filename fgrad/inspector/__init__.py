"""See what the compiler does: the graph of a function, what each pass changed, costs, memory, the program.

`inspect(f)(*args)` for functions, `report(x)` for graphs and captures, `fgrad inspect FILE.py:FUNCTION` on the command line.
`fgrad doctor` lists what an installation computes with.
Inside: listing < report < inspect < command; doctor. Nothing below imports this room; passes call the observer they are given.
"""

from fgrad.inspector.inspect import inspect
from fgrad.inspector.report import Report, Stage, report

__all__ = ["Report", "Stage", "inspect", "report"]
