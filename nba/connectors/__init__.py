"""Content from content management systems: what changed there, as edits to what is said here."""
