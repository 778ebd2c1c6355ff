"""The typed program: types, values, graphs, primitives, apply, rewrite, verify, text, JSON, networkx.

Imports only `errors`. Inside: dtypes < types < primitive < graph < apply < everything else.
"""
