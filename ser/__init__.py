"""The command line, on top of all parts: it parses, calls one function, and prints.

Every import of another part is inside a command, so that no command pays for another's; only the declarations of a
retraining's options are read at once, which import nothing themselves.
"""
