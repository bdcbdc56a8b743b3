"""Footage and proof in, operations, findings and a verdict out."""
