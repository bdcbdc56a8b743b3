"""Containers, packets, coded and decoded pictures: hostile bytes are read here, in a child process, nowhere else."""
