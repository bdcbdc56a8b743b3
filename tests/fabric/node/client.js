// A client in another language: asks and submits to a channel with Hyperledger's own library, and knows of our contract
// nothing but the name of a function and its one argument, an object in canonical JSON.
//
//   node client.js evaluate PROFILE IDENTITY FUNCTION ARGUMENT
//   node client.js submit   PROFILE IDENTITY FUNCTION ARGUMENT
//   node client.js events   PROFILE IDENTITY FIRST_BLOCK COUNT
//
// PROFILE: a connection profile in its JSON spelling (every such file is also YAML); its gateways' first is used.
// IDENTITY: a folder of the wallet: key.pem, certificate.pem, msp.
// Prints one JSON object. Exit status 1: it has a member `error`.

'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const grpc = require('@grpc/grpc-js');
const {connect, hash, signers, GatewayError, CommitError, StatusCode} = require('@hyperledger/fabric-gateway');

const DEADLINE_MS = 30_000;
const REFUSED = /chaincode response (\d{3}), (.*)$/s;

/** RFC 8785: members by name, no spaces. Its numbers and strings are those of JSON.stringify. */
function canonical(value) {
  if (Array.isArray(value)) {
    return `[${value.map(canonical).join(',')}]`;
  }
  if (value === null || typeof value !== 'object') {
    return JSON.stringify(value);
  }
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(',')}}`;
}

function open(profilePath, identityFolder) {
  const read = (name) => fs.readFileSync(path.resolve(path.dirname(profilePath), name));
  const profile = JSON.parse(fs.readFileSync(profilePath, 'utf8'));
  const own = (name) => fs.readFileSync(path.join(identityFolder, name));
  const [place] = profile.gateways;
  const mutual = profile.tls_client;
  const credentials = place.tls_root
    ? grpc.credentials.createSsl(read(place.tls_root), mutual && read(mutual.key), mutual && read(mutual.certificate))
    : grpc.credentials.createInsecure();
  const options = place.server_name ? {'grpc.ssl_target_name_override': place.server_name} : {};
  const client = new grpc.Client(place.address, credentials, options);
  const deadline = () => ({deadline: Date.now() + DEADLINE_MS});
  const gateway = connect({
    client,
    identity: {mspId: own('msp').toString('ascii').trim(), credentials: own('certificate.pem')},
    signer: signers.newPrivateKeySigner(crypto.createPrivateKey(own('key.pem'))),
    hash: hash.sha256,
    evaluateOptions: deadline,
    endorseOptions: deadline,
    submitOptions: deadline,
    commitStatusOptions: deadline,
  });
  const network = gateway.getNetwork(profile.channel);
  const organisations = profile.endorsing_organisations ?? [];
  const close = () => {
    gateway.close();
    client.close();
  };
  return {network, chaincode: profile.chaincode, organisations, close};
}

const text = (bytes) => Buffer.from(bytes).toString('utf8');

async function evaluate({network, chaincode}, name, argument) {
  const proposal = network.getContract(chaincode).newProposal(name, {arguments: [canonical(JSON.parse(argument))]});
  return {result: text(await proposal.evaluate()), tx_id: proposal.getTransactionId()};
}

async function submit({network, chaincode, organisations}, name, argument) {
  const proposal = network.getContract(chaincode).newProposal(name, {
    arguments: [canonical(JSON.parse(argument))],
    ...(organisations.length ? {endorsingOrganizations: organisations} : {}),
  });
  const transaction = await proposal.endorse();
  const commit = await transaction.submit();
  const status = await commit.getStatus();
  const named = Object.keys(StatusCode).find((each) => StatusCode[each] === status.code);
  return {
    result: text(transaction.getResult()),
    tx_id: status.transactionId,
    block: Number(status.blockNumber),
    code: status.code,
    status: named,
    successful: status.successful,
  };
}

async function events({network, chaincode}, firstBlock, count) {
  const stream = await network.getChaincodeEvents(chaincode, {startBlock: BigInt(firstBlock)});
  const found = [];
  try {
    for await (const event of stream) {
      const {eventName, transactionId, blockNumber, payload} = event;
      found.push({name: eventName, tx_id: transactionId, block: Number(blockNumber), payload: text(payload)});
      if (found.length === Number(count)) {
        break;
      }
    }
  } finally {
    stream.close();
  }
  return {events: found};
}

/** What went wrong, and where the contract refused, its own words. */
function told(error) {
  const known = {error: error.constructor.name, message: error.message};
  if (error instanceof CommitError) {
    return {...known, code: error.code, tx_id: error.transactionId};
  }
  if (!(error instanceof GatewayError)) {
    return known;
  }
  const details = error.details.map(({address, mspId, message}) => ({address, msp: mspId, message}));
  const refused = [error.cause.details, ...details.map(({message}) => message)].map((each) => REFUSED.exec(each));
  const [found] = refused.filter((each) => each !== null);
  const refusal = found && {status: Number(found[1]), ...JSON.parse(found[2])};
  return {...known, grpc: error.code, details, refusal};
}

async function main([verb, profile, identity, ...rest]) {
  const verbs = {evaluate, submit, events};
  if (!Object.hasOwn(verbs, verb) || rest.length !== 2) {
    throw new Error('usage: client.js evaluate|submit|events PROFILE IDENTITY FUNCTION|FIRST_BLOCK ARGUMENT|COUNT');
  }
  const opened = open(profile, identity);
  try {
    return await verbs[verb](opened, ...rest);
  } finally {
    opened.close();
  }
}

main(process.argv.slice(2)).then(
  (found) => process.stdout.write(`${JSON.stringify(found)}\n`),
  (error) => {
    process.stdout.write(`${JSON.stringify(told(error))}\n`);
    process.exitCode = 1;
  },
);
