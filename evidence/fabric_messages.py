"""The messages of Hyperledger Fabric that receipts are made of, field by field.

Source: the .proto files of fabric-protos (v0.3, the messages of Fabric 2.5 and 3.1 alike): common/common,
common/configtx, common/configuration, peer/proposal, peer/proposal_response, peer/transaction, peer/chaincode,
ledger/rwset, ledger/rwset/kvrwset, msp/identities, msp/msp_config. A test holds every shape against them.
Fields that are not in a shape are refused; that is so, on purpose, for `decorations` and for transient data.
"""

from __future__ import annotations

from evidence.fabric_wire import Field, Shape

TIMESTAMP = Shape("Timestamp", Field(1, "seconds", "int64"), Field(2, "nanos", "int32"))

# -- envelope and headers --------------------------------------------------------------------------------------------

ENVELOPE = Shape("Envelope", Field(1, "payload", "bytes"), Field(2, "signature", "bytes"))
HEADER = Shape("Header", Field(1, "channel_header", "bytes"), Field(2, "signature_header", "bytes"))
PAYLOAD = Shape("Payload", Field(1, "header", HEADER), Field(2, "data", "bytes"))
CHANNEL_HEADER = Shape(
    "ChannelHeader",
    Field(1, "type", "int32"),
    Field(2, "version", "int32"),
    Field(3, "timestamp", TIMESTAMP),
    Field(4, "channel_id", "text"),
    Field(5, "tx_id", "text"),
    Field(6, "epoch", "uint64"),
    Field(7, "extension", "bytes"),
    Field(8, "tls_cert_hash", "bytes"),
)
SIGNATURE_HEADER = Shape("SignatureHeader", Field(1, "creator", "bytes"), Field(2, "nonce", "bytes"))
SERIALIZED_IDENTITY = Shape("SerializedIdentity", Field(1, "mspid", "text"), Field(2, "id_bytes", "bytes"))

# -- proposal --------------------------------------------------------------------------------------------------------

CHAINCODE_ID = Shape("ChaincodeID", Field(1, "path", "text"), Field(2, "name", "text"), Field(3, "version", "text"))
CHAINCODE_HEADER_EXTENSION = Shape("ChaincodeHeaderExtension", Field(2, "chaincode_id", CHAINCODE_ID))
CHAINCODE_INPUT = Shape("ChaincodeInput", Field(1, "args", "bytes", repeated=True), Field(3, "is_init", "bool"))
CHAINCODE_SPEC = Shape(
    "ChaincodeSpec",
    Field(1, "type", "int32"),
    Field(2, "chaincode_id", CHAINCODE_ID),
    Field(3, "input", CHAINCODE_INPUT),
    Field(4, "timeout", "int32"),
)
CHAINCODE_INVOCATION_SPEC = Shape("ChaincodeInvocationSpec", Field(1, "chaincode_spec", CHAINCODE_SPEC))
CHAINCODE_PROPOSAL_PAYLOAD = Shape("ChaincodeProposalPayload", Field(1, "input", "bytes"))

# -- endorsed transaction --------------------------------------------------------------------------------------------

TRANSACTION_ACTION = Shape("TransactionAction", Field(1, "header", "bytes"), Field(2, "payload", "bytes"))
TRANSACTION = Shape("Transaction", Field(1, "actions", TRANSACTION_ACTION, repeated=True))
ENDORSEMENT = Shape("Endorsement", Field(1, "endorser", "bytes"), Field(2, "signature", "bytes"))
CHAINCODE_ENDORSED_ACTION = Shape(
    "ChaincodeEndorsedAction",
    Field(1, "proposal_response_payload", "bytes"),
    Field(2, "endorsements", ENDORSEMENT, repeated=True),
)
CHAINCODE_ACTION_PAYLOAD = Shape(
    "ChaincodeActionPayload",
    Field(1, "chaincode_proposal_payload", "bytes"),
    Field(2, "action", CHAINCODE_ENDORSED_ACTION),
)
PROPOSAL_RESPONSE_PAYLOAD = Shape(
    "ProposalResponsePayload", Field(1, "proposal_hash", "bytes"), Field(2, "extension", "bytes")
)
RESPONSE = Shape("Response", Field(1, "status", "int32"), Field(2, "message", "text"), Field(3, "payload", "bytes"))
CHAINCODE_ACTION = Shape(
    "ChaincodeAction",
    Field(1, "results", "bytes"),
    Field(2, "events", "bytes"),
    Field(3, "response", RESPONSE),
    Field(4, "chaincode_id", CHAINCODE_ID),
)

# -- read-write set --------------------------------------------------------------------------------------------------

VERSION = Shape("Version", Field(1, "block_num", "uint64"), Field(2, "tx_num", "uint64"))
KV_READ = Shape("KVRead", Field(1, "key", "text"), Field(2, "version", VERSION))
KV_WRITE = Shape("KVWrite", Field(1, "key", "text"), Field(2, "is_delete", "bool"), Field(3, "value", "bytes"))
KV_METADATA_ENTRY = Shape("KVMetadataEntry", Field(1, "name", "text"), Field(2, "value", "bytes"))
KV_METADATA_WRITE = Shape(
    "KVMetadataWrite", Field(1, "key", "text"), Field(2, "entries", KV_METADATA_ENTRY, repeated=True)
)
QUERY_READS = Shape("QueryReads", Field(1, "kv_reads", KV_READ, repeated=True))
QUERY_READS_MERKLE_SUMMARY = Shape(
    "QueryReadsMerkleSummary",
    Field(1, "max_degree", "uint32"),
    Field(2, "max_level", "uint32"),
    Field(3, "max_level_hashes", "bytes", repeated=True),
)
RANGE_QUERY_INFO = Shape(
    "RangeQueryInfo",
    Field(1, "start_key", "text"),
    Field(2, "end_key", "text"),
    Field(3, "itr_exhausted", "bool"),
    Field(4, "raw_reads", QUERY_READS),
    Field(5, "reads_merkle_hashes", QUERY_READS_MERKLE_SUMMARY),
)
KV_RW_SET = Shape(
    "KVRWSet",
    Field(1, "reads", KV_READ, repeated=True),
    Field(2, "range_queries_info", RANGE_QUERY_INFO, repeated=True),
    Field(3, "writes", KV_WRITE, repeated=True),
    Field(4, "metadata_writes", KV_METADATA_WRITE, repeated=True),
)
COLLECTION_HASHED_READ_WRITE_SET = Shape(
    "CollectionHashedReadWriteSet",
    Field(1, "collection_name", "text"),
    Field(2, "hashed_rwset", "bytes"),
    Field(3, "pvt_rwset_hash", "bytes"),
)
NS_READ_WRITE_SET = Shape(
    "NsReadWriteSet",
    Field(1, "namespace", "text"),
    Field(2, "rwset", "bytes"),
    Field(3, "collection_hashed_rwset", COLLECTION_HASHED_READ_WRITE_SET, repeated=True),
)
TX_READ_WRITE_SET = Shape(
    "TxReadWriteSet", Field(1, "data_model", "int32"), Field(2, "ns_rwset", NS_READ_WRITE_SET, repeated=True)
)

# -- block -----------------------------------------------------------------------------------------------------------

BLOCK_HEADER = Shape(
    "BlockHeader", Field(1, "number", "uint64"), Field(2, "previous_hash", "bytes"), Field(3, "data_hash", "bytes")
)
BLOCK_DATA = Shape("BlockData", Field(1, "data", "bytes", repeated=True))
BLOCK_METADATA = Shape("BlockMetadata", Field(1, "metadata", "bytes", repeated=True))
BLOCK = Shape(
    "Block", Field(1, "header", BLOCK_HEADER), Field(2, "data", BLOCK_DATA), Field(3, "metadata", BLOCK_METADATA)
)
METADATA_SIGNATURE = Shape(
    "MetadataSignature",
    Field(1, "signature_header", "bytes"),
    Field(2, "signature", "bytes"),
    Field(3, "identifier_header", "bytes"),
)
METADATA = Shape("Metadata", Field(1, "value", "bytes"), Field(2, "signatures", METADATA_SIGNATURE, repeated=True))
IDENTIFIER_HEADER = Shape("IdentifierHeader", Field(1, "identifier", "uint32"), Field(2, "nonce", "bytes"))
LAST_CONFIG = Shape("LastConfig", Field(1, "index", "uint64"))
ORDERER_BLOCK_METADATA = Shape(
    "OrdererBlockMetadata", Field(1, "last_config", LAST_CONFIG), Field(2, "consenter_metadata", "bytes")
)

# -- configuration of a channel --------------------------------------------------------------------------------------

CONFIG_VALUE = Shape(
    "ConfigValue", Field(1, "version", "uint64"), Field(2, "value", "bytes"), Field(3, "mod_policy", "text")
)
POLICY = Shape("Policy", Field(1, "type", "int32"), Field(2, "value", "bytes"))
CONFIG_POLICY = Shape(
    "ConfigPolicy", Field(1, "version", "uint64"), Field(2, "policy", POLICY), Field(3, "mod_policy", "text")
)
CONFIG_GROUP = Shape("ConfigGroup", Field(1, "version", "uint64"))
CONFIG_GROUP.add(
    Field(
        2, "groups", Shape("GroupsEntry", Field(1, "key", "text"), Field(2, "value", CONFIG_GROUP), entry=True), True
    ),
    Field(
        3, "values", Shape("ValuesEntry", Field(1, "key", "text"), Field(2, "value", CONFIG_VALUE), entry=True), True
    ),
    Field(
        4,
        "policies",
        Shape("PoliciesEntry", Field(1, "key", "text"), Field(2, "value", CONFIG_POLICY), entry=True),
        True,
    ),
    Field(5, "mod_policy", "text"),
)
CONFIG = Shape("Config", Field(1, "sequence", "uint64"), Field(2, "channel_group", CONFIG_GROUP))
CONFIG_ENVELOPE = Shape("ConfigEnvelope", Field(1, "config", CONFIG), Field(2, "last_update", ENVELOPE))
CONSENTER = Shape(
    "Consenter",
    Field(1, "id", "uint32"),
    Field(2, "host", "text"),
    Field(3, "port", "uint32"),
    Field(4, "msp_id", "text"),
    Field(5, "identity", "bytes"),
    Field(6, "client_tls_cert", "bytes"),
    Field(7, "server_tls_cert", "bytes"),
)
ORDERERS = Shape("Orderers", Field(1, "consenter_mapping", CONSENTER, repeated=True))
MSP_CONFIG = Shape("MSPConfig", Field(1, "type", "int32"), Field(2, "config", "bytes"))
OU_IDENTIFIER = Shape(
    "FabricOUIdentifier", Field(1, "certificate", "bytes"), Field(2, "organizational_unit_identifier", "text")
)
KEY_INFO = Shape("KeyInfo", Field(1, "key_identifier", "text"), Field(2, "key_material", "bytes"))
FABRIC_MSP_CONFIG = Shape(
    "FabricMSPConfig",
    Field(1, "name", "text"),
    Field(2, "root_certs", "bytes", repeated=True),
    Field(3, "intermediate_certs", "bytes", repeated=True),
    Field(4, "admins", "bytes", repeated=True),
    Field(5, "revocation_list", "bytes", repeated=True),
    Field(
        6,
        "signing_identity",
        Shape("SigningIdentityInfo", Field(1, "public_signer", "bytes"), Field(2, "private_signer", KEY_INFO)),
    ),
    Field(7, "organizational_unit_identifiers", OU_IDENTIFIER, repeated=True),
    Field(
        8,
        "crypto_config",
        Shape(
            "FabricCryptoConfig",
            Field(1, "signature_hash_family", "text"),
            Field(2, "identity_identifier_hash_function", "text"),
        ),
    ),
    Field(9, "tls_root_certs", "bytes", repeated=True),
    Field(10, "tls_intermediate_certs", "bytes", repeated=True),
    Field(
        11,
        "fabric_node_ous",
        Shape(
            "FabricNodeOUs",
            Field(1, "enable", "bool"),
            Field(2, "client_ou_identifier", OU_IDENTIFIER),
            Field(3, "peer_ou_identifier", OU_IDENTIFIER),
            Field(4, "admin_ou_identifier", OU_IDENTIFIER),
            Field(5, "orderer_ou_identifier", OU_IDENTIFIER),
        ),
    ),
)
