"""Containers, packets, units, decoding, and the child process that all hostile media goes through."""
