"""The `veriframe` command: parses, wires, prints."""
