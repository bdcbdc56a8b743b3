"""From camera or file to signed record: cut, choose, fingerprint, seal."""
