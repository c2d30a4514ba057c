"""The command line, on top of all parts.

Every import of another part is inside a command, so that no command pays for another's.
"""
