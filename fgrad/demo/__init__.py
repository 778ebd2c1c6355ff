"""`fgrad demo`: two networks trained on real handwritten digits through both faces, with a report of what was compiled.

Inside: digits < cnn, mlp < command. Imports every room below, as a user's program does.
"""
