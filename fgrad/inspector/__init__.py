"""See what the compiler does: the graph of a function, what each pass changed, costs, memory, the program.

`inspect(f)(*args)` for functions, `report(graph)` for graphs, `fgrad inspect FILE.py:FUNCTION` on the command line.
Inside: listing < report < inspect < command. Nothing below imports this room; passes call the observer they are given.
"""

from fgrad.inspector.inspect import inspect
from fgrad.inspector.report import Report, Stage, report

__all__ = ["Report", "Stage", "inspect", "report"]
