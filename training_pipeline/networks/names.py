"""Names that are known without an import of any network."""

HEAD = "head"
"""A new classifier on the encoder of the version that ships. It is no entry point: it follows from a version."""
