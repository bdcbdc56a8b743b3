"""The reference of P6: the least chaincode in Python that stores a value under a key. No caller, no check, no read.

It takes messages off the peer's stream and answers them in the same thread, which no contract that reads can do: what
a transaction costs here is the network's own share, and the smallest one that Python can add to it.

    python bench/bare_chaincode.py ADDRESS PACKAGE_ID CERTIFICATE KEY CLIENT_ROOT
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2, chaincode_shim_pb2_grpc, proposal_response_pb2

SHIM = chaincode_shim_pb2.ChaincodeMessage
DONE = proposal_response_pb2.Response(status=200).SerializeToString()


class Bare(chaincode_shim_pb2_grpc.ChaincodeServicer):  # type: ignore[misc]  # generated, without a static type
    """`put KEY VALUE`, and nothing else."""

    def __init__(self, package_id: str) -> None:
        self._package_id = package_id

    def Connect(self, request_iterator: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        name = chaincode_pb2.ChaincodeID(name=self._package_id).SerializeToString()
        yield SHIM(type=SHIM.REGISTER, payload=name)
        for message in request_iterator:
            if message.type == SHIM.TRANSACTION:
                _, key, value = chaincode_pb2.ChaincodeInput.FromString(message.payload).args
                put = chaincode_shim_pb2.PutState(key=key.decode("ascii"), value=value).SerializeToString()
                yield SHIM(type=SHIM.PUT_STATE, payload=put, txid=message.txid, channel_id=message.channel_id)
            elif message.type == SHIM.RESPONSE:
                yield SHIM(type=SHIM.COMPLETED, payload=DONE, txid=message.txid, channel_id=message.channel_id)
            elif message.type == SHIM.KEEPALIVE:
                yield message


def main(address: str, package_id: str, certificate: str, key: str, client_root: str) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    chaincode_shim_pb2_grpc.add_ChaincodeServicer_to_server(Bare(package_id), server)
    credentials = grpc.ssl_server_credentials(
        [(Path(key).read_bytes(), Path(certificate).read_bytes())],
        root_certificates=Path(client_root).read_bytes(),
        require_client_auth=True,
    )
    server.add_secure_port(address, credentials)
    server.start()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    server.stop(grace=1).wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
