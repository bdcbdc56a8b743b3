"""The vocabulary: records, canonical bytes, digests, trees, envelopes. Pure: no file, socket, clock or environment."""
