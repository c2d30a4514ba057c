"""Names that are known without an import of any network."""

HEAD = "head"
"""A new classifier on the encoder of the version that ships. It depends on a version, so it is no entry point."""
