"""Configuration files of peers, orderers and the channel, written as JSON, which is YAML.

Only what differs from Fabric's defaults, or what it has no default for, stands here; the reasons stand beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from network.material import Material
from network.topology import ADMIN, OPERATIONS, SERVICE, SHIM, Node, Topology

MESSAGE_BYTES = 100 << 20
# Peers' gateways ping idle connections to other nodes every 10 s, which no setting changes; a node that minds (Fabric's
# default is 60 s) ends them, and the call that comes next with them.
MOST_OFTEN = "5s"


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def peer_configuration(topology: Topology, material: Material, node: Node, data: Path, builder: Path) -> dict[str, Any]:
    """core.yaml of one peer."""
    folder = material.node(node)
    tls = folder / "tls"
    address = node.address(SERVICE)
    roots = [str(material.tls_root(each.name)) for each in topology.settings.organisations]
    return {
        "peer": {
            "id": node.name,
            "networkId": topology.channel,
            "listenAddress": node.listens(),
            "address": address,
            # For chaincode that the peer would start itself. Ours runs as a service; the default port would be shared.
            "chaincodeListenAddress": node.listens(SHIM),
            "fileSystemPath": str(data),
            "mspConfigPath": str(folder / "msp"),
            "localMspId": node.msp,
            "localMspType": "bccsp",
            "gateway": {
                "enabled": True,
                "endorsementTimeout": topology.settings.endorsement_timeout,
                "broadcastTimeout": "30s",
                "dialTimeout": "10s",
            },
            "keepalive": {
                "interval": "7200s",
                "timeout": "20s",
                "minInterval": MOST_OFTEN,
                "client": {"interval": "60s", "timeout": "20s"},
                "deliveryClient": {"interval": "60s", "timeout": "20s"},
            },
            # No election and no gossip of blocks: every peer takes them from the orderers itself. The external
            # endpoint must be set all the same, else the gateway does not find other organisations' peers.
            "gossip": {
                "bootstrap": address,
                "endpoint": address,
                "externalEndpoint": address,
                "useLeaderElection": False,
                "orgLeader": True,
                "membershipTrackerInterval": "5s",
                "maxBlockCountToStore": 10,
                "maxPropagationBurstLatency": "10ms",
                "maxPropagationBurstSize": 10,
                "propagateIterations": 1,
                "propagatePeerNum": 3,
                "pullInterval": "4s",
                "pullPeerNum": 3,
                "requestStateInfoInterval": "4s",
                "publishStateInfoInterval": "4s",
                "publishCertPeriod": "10s",
                "dialTimeout": "3s",
                "connTimeout": "2s",
                "recvBuffSize": 20,
                "sendBuffSize": 200,
                "digestWaitTime": "1s",
                "requestWaitTime": "1500ms",
                "responseWaitTime": "2s",
                "aliveTimeInterval": "5s",
                "aliveExpirationTimeout": "25s",
                "reconnectInterval": "5s",
                "maxConnectionAttempts": 120,
                "msgExpirationFactor": 20,
                "pvtData": {
                    # An organisation's approvals are private to its peers, of which there is one: a peer that lost its
                    # folder asks for them in vain, once for each block that holds one, and approves anew.
                    "pullRetryThreshold": "1s",
                    "transientstoreMaxBlockRetention": 1000,
                    "pushAckTimeout": "3s",
                    "btlPullMargin": 10,
                    "reconcileBatchSize": 10,
                    "reconcileSleepInterval": "5m",
                    "reconciliationEnabled": False,
                    "implicitCollectionDisseminationPolicy": {"requiredPeerCount": 0, "maxPeerCount": 1},
                },
                "state": {
                    "enabled": False,
                    "checkInterval": "10s",
                    "responseTimeout": "3s",
                    "batchSize": 10,
                    "blockBufferSize": 20,
                    "maxRetries": 3,
                },
            },
            "tls": {
                "enabled": True,
                "clientAuthRequired": True,
                "cert": {"file": str(tls / "certificate.pem")},
                "key": {"file": str(tls / "key.pem")},
                "rootcert": {"file": str(material.tls_root(node.organisation))},
                "clientRootCAs": {"files": roots},
                "clientCert": {"file": str(tls / "certificate.pem")},
                "clientKey": {"file": str(tls / "key.pem")},
            },
            # The contract has no clock; this check is what keeps a client's time within 15 minutes.
            "authentication": {"timewindow": topology.settings.time_window},
            "BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
            "client": {"connTimeout": "5s"},
            "deliveryclient": {
                "blockGossipEnabled": False,
                "reconnectTotalTimeThreshold": "3600s",
                "connTimeout": "3s",
                "reConnectBackoffThreshold": "5s",
                "blockCensorshipTimeoutKey": "30s",
                "minimalReconnectInterval": "100ms",
                "policy": "cluster",
            },
            "handlers": {
                "authFilters": [{"name": "DefaultAuth"}, {"name": "ExpirationCheck"}, {"name": "TimeWindowCheck"}],
                "decorators": [{"name": "DefaultDecorator"}],
                "endorsers": {"escc": {"name": "DefaultEndorsement"}},
                "validators": {"vscc": {"name": "DefaultValidation"}},
            },
            "discovery": {
                "enabled": True,
                "authCacheEnabled": True,
                "authCacheMaxSize": 1000,
                "authCachePurgeRetentionRatio": 0.75,
            },
            "limits": {"concurrency": {"endorserService": 2500, "deliverService": 2500, "gatewayService": 500}},
            "maxRecvMsgSize": MESSAGE_BYTES,
            "maxSendMsgSize": MESSAGE_BYTES,
        },
        "vm": {"endpoint": ""},
        "chaincode": {
            "externalBuilders": [{"name": "ccaas", "path": str(builder)}],
            "installTimeout": "60s",
            "startuptimeout": "60s",
            "executetimeout": "30s",
            "mode": "net",
            "keepalive": 0,
            "system": {"_lifecycle": "enable", "cscc": "enable", "lscc": "enable", "qscc": "enable"},
            "logging": {"level": "info", "shim": "warning", "format": "%{message}"},
            "runtimeParams": {
                "useWriteBatch": True,
                "maxSizeWriteBatch": 1000,
                "useGetMultipleKeys": True,
                "maxSizeGetMultipleKeys": 1000,
            },
        },
        "ledger": {
            "state": {"stateDatabase": "goleveldb", "totalQueryLimit": 100_000},
            "history": {"enableHistoryDatabase": True},
            "pvtdataStore": {
                "collElgProcMaxDbBatchSize": 5000,
                "collElgProcDbBatchesInterval": 1000,
                "deprioritizedDataReconcilerInterval": "60m",
                "purgeInterval": 100,
                "purgedKeyAuditLogging": True,
            },
            "snapshots": {"rootDir": str(data / "snapshots")},
        },
        "operations": {"listenAddress": node.listens(OPERATIONS), "tls": {"enabled": False}},
        "metrics": {"provider": "prometheus"},
    }


def orderer_configuration(topology: Topology, material: Material, node: Node, data: Path) -> dict[str, Any]:
    """orderer.yaml of one orderer."""
    folder = material.node(node)
    tls = {
        "Enabled": True,
        "Certificate": str(folder / "tls" / "certificate.pem"),
        "PrivateKey": str(folder / "tls" / "key.pem"),
        "RootCAs": [str(material.tls_root(each.name)) for each in topology.settings.organisations],
        "ClientAuthRequired": True,
        "ClientRootCAs": [str(material.tls_root(each.name)) for each in topology.settings.organisations],
    }
    return {
        "General": {
            "ListenAddress": node.listen or node.host,
            "ListenPort": node.port(SERVICE),
            "TLS": tls,
            "Keepalive": {"ServerMinInterval": MOST_OFTEN, "ServerInterval": "7200s", "ServerTimeout": "20s"},
            "Backoff": {"BaseDelay": "1s", "Multiplier": 1.6, "MaxDelay": "10s"},
            "MaxRecvMsgSize": MESSAGE_BYTES,
            "MaxSendMsgSize": MESSAGE_BYTES,
            "Cluster": {
                "SendBufferSize": 100,
                "ClientCertificate": tls["Certificate"],
                "ClientPrivateKey": tls["PrivateKey"],
            },
            "LocalMSPDir": str(folder / "msp"),
            "LocalMSPID": node.msp,
            "BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
            "Authentication": {"TimeWindow": topology.settings.time_window},
        },
        "FileLedger": {"Location": str(data / "ledger")},
        "Operations": {"ListenAddress": node.listens(OPERATIONS), "TLS": {"Enabled": False}},
        "Metrics": {"Provider": "prometheus"},
        # Who reaches this may take the orderer out of a channel: nobody but its own organisation.
        "Admin": {
            "ListenAddress": node.listens(ADMIN),
            "TLS": {**tls, "ClientRootCAs": [str(material.tls_root(node.organisation))]},
        },
        "ChannelParticipation": {"Enabled": True, "MaxRequestBodySize": "1 MB"},
        "Consensus": {"WALDir": str(data / "wal"), "SnapDir": str(data / "snapshot")},
    }


def _signature(rule: str) -> dict[str, str]:
    return {"Type": "Signature", "Rule": rule}


def _meta(rule: str) -> dict[str, str]:
    return {"Type": "ImplicitMeta", "Rule": rule}


def channel_configuration(topology: Topology, material: Material, profile: str) -> dict[str, Any]:
    """configtx.yaml with one profile: the channel's genesis block."""
    settings = topology.settings
    organisations = []
    for each in settings.organisations:
        member = f"'{each.msp}.{{}}'"
        orderers = [node for node in topology.orderers if node.msp == each.msp]
        anybody = f"OR({', '.join(member.format(unit) for unit in ('admin', 'client', 'peer', 'orderer'))})"
        organisation: dict[str, Any] = {
            "Name": each.msp,
            "ID": each.msp,
            "MSPDir": str(material.organisation(each.name) / "msp"),
            "Policies": {
                "Readers": _signature(anybody),
                "Writers": _signature(anybody),
                "Admins": _signature(f"OR({member.format('admin')})"),
                "Endorsement": _signature(f"OR({member.format('peer')})"),
            },
            "AnchorPeers": [
                {"Host": node.host, "Port": node.port(SERVICE)} for node in topology.peers if node.msp == each.msp
            ],
        }
        if orderers:
            organisation["OrdererEndpoints"] = [node.address(SERVICE) for node in orderers]
        organisations.append(organisation)
    running = {node.msp for node in topology.orderers}
    policies = {"Readers": _meta("ANY Readers"), "Writers": _meta("ANY Writers"), "Admins": _meta("MAJORITY Admins")}
    return {
        "Organizations": organisations,  # for `configtxgen -printOrg`, when one of them joins another channel
        "Profiles": {
            profile: {
                "Policies": policies,
                "Capabilities": {"V3_0": True},
                "Orderer": {
                    "OrdererType": settings.consensus,
                    "BatchTimeout": f"{settings.batch_timeout_ms}ms",
                    "BatchSize": {
                        "MaxMessageCount": settings.batch_messages,
                        "AbsoluteMaxBytes": "10 MB",
                        "PreferredMaxBytes": "4 MB",
                    },
                    **_consensus(topology, material),
                    "Organizations": [each for each in organisations if each["ID"] in running],
                    "Policies": {**policies, "BlockValidation": _meta("ANY Writers")},
                    "Capabilities": {"V2_0": True},
                },
                "Application": {
                    "Organizations": organisations,
                    "Policies": {
                        **policies,
                        "LifecycleEndorsement": _meta("MAJORITY Endorsement"),
                        "Endorsement": _meta("MAJORITY Endorsement"),
                    },
                    "Capabilities": {"V2_5": True},
                },
            }
        },
    }


def _consensus(topology: Topology, material: Material) -> dict[str, Any]:
    members = []
    for number, node in enumerate(topology.orderers, start=1):
        tls = str(material.node(node) / "tls" / "certificate.pem")
        member: dict[str, Any] = {
            "Host": node.host,
            "Port": node.port(SERVICE),
            "ClientTLSCert": tls,
            "ServerTLSCert": tls,
        }
        if topology.settings.consensus == "BFT":
            identity = str(material.node(node) / "signing" / "certificate.pem")
            member |= {"ID": number, "MSPID": node.msp, "Identity": identity}
        members.append(member)
    if topology.settings.consensus == "BFT":
        return {
            "ConsenterMapping": members,
            "SmartBFT": {
                "RequestBatchMaxInterval": f"{topology.settings.batch_timeout_ms}ms",
                "RequestForwardTimeout": "5s",
                "RequestComplainTimeout": "20s",
                "RequestAutoRemoveTimeout": "3m0s",
                "ViewChangeResendInterval": "5s",
                "ViewChangeTimeout": "20s",
                "LeaderHeartbeatTimeout": "1m0s",
                "CollectTimeout": "1s",
                "IncomingMessageBufferSize": 200,
                "RequestPoolSize": 100_000,
                "LeaderHeartbeatCount": 10,
            },
        }
    options = {
        "TickInterval": "200ms",
        "ElectionTick": 10,
        "HeartbeatTick": 1,
        "MaxInflightBlocks": 5,
        "SnapshotIntervalSize": "16 MB",
    }
    return {"EtcdRaft": {"Consenters": members, "Options": options}}
