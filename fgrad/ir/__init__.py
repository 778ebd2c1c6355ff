"""The typed program: types, values, graphs, primitives, apply, rewrite, verify, text, JSON, networkx.

Imports only `errors`. Inside: dtypes < types < primitive < graph < apply < everything else.
"""

from fgrad.ir import text as _text  # enters Graph.__str__

__all__: list[str] = []
del _text
