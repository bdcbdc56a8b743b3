# The contract process of one organisation, and `veriframe network` for the containers. Built from the checkout:
# docker build -f network/contract.Dockerfile .
FROM python:3.12-slim-bookworm
COPY requirements/fabric.txt /tmp/fabric.txt
RUN pip install --no-cache-dir --require-hashes -r /tmp/fabric.txt
COPY evidence /veriframe/evidence
COPY chaincode /veriframe/chaincode
COPY media /veriframe/media
COPY sdk /veriframe/sdk
COPY frame_sampler /veriframe/frame_sampler
COPY verifier /veriframe/verifier
COPY network /veriframe/network
COPY cli /veriframe/cli
ENV PYTHONPATH=/veriframe PYTHONDONTWRITEBYTECODE=1
