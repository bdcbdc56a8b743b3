"""Everything that is Fabric's own: topology, programs, certificates of nodes, configuration, channel, chaincode."""
