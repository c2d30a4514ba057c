"""Pictures and Markdown from figures and clips.

Must not know: how a network is trained or run.
"""
