"""Pictures and Markdown from figures and clips.

Must not know: training.
"""
