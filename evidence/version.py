"""The version of this software, as records and verdicts state it."""

VERSION = "0.1.0"
