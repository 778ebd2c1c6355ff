"""The operations that are compared with PyTorch, a family a file: see `row.Row` and test_oracle_table.py."""
