"""Speed, measured by commands; see README.md in this folder. Nothing here is a timed test."""
