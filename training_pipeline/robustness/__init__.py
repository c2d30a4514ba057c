"""What a model answers to clips that sound worse than in the studio, and to sounds without any speech.

Must not know: how a network is trained.
"""
