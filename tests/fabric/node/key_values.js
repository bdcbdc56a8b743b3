// The functions of tests/fabric/key_values.py once more, over Hyperledger's own Node shim. Both endorse the same
// transactions, so every byte that a peer sees must be the same.
//
//   node key_values.js ADDRESS PACKAGE_ID [CERTIFICATE KEY CLIENT_ROOT]

'use strict';

const fs = require('node:fs');

const {Shim} = require('fabric-shim');

class Refused extends Error {
  constructor(status, code, detail, where) {
    super(detail);
    this.response = {
      status,
      // Canonical JSON: members by name, no spaces.
      message: JSON.stringify({code, detail, next_step: '', where}),
      payload: Buffer.alloc(0),
    };
  }
}

const line = (key, value) => Buffer.concat([Buffer.from(`${key}=`), value, Buffer.from('\n')]);

async function* scan(stub, start, end) {
  const iterator = await stub.getStateByRange(start, end);
  try {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      yield next.value;
    }
  } finally {
    await iterator.close();
  }
}

const FUNCTIONS = {
  async put(stub, ...pairs) {
    for (let at = 0; at < pairs.length; at += 2) {
      await stub.putState(pairs[at].toString(), pairs[at + 1]);
    }
    return Buffer.from(String(pairs.length / 2));
  },

  async fill(stub, prefix, count) {
    for (let number = 0; number < Number(count); number += 1) {
      const digits = String(number).padStart(4, '0');
      await stub.putState(`${prefix}/${digits}`, Buffer.from(`value ${number}`));
    }
    return Buffer.alloc(0);
  },

  async get(stub, ...keys) {
    const found = [];
    for (const key of keys) {
      const value = await stub.getState(key.toString());
      if (value.length === 0) {
        throw new Refused(404, 'not_found', `nothing stands under ${key}`, 'get');
      }
      found.push(line(key, value));
    }
    return Buffer.concat(found);
  },

  async delete(stub, ...keys) {
    for (const key of keys) {
      await stub.deleteState(key.toString());
    }
    return Buffer.alloc(0);
  },

  async range(stub, start, end) {
    const found = [];
    for await (const {key, value} of scan(stub, start.toString(), end.toString())) {
      found.push(line(key, value));
    }
    return Buffer.concat(found);
  },

  async first(stub, start, end, count) {
    const found = [];
    for await (const {key, value} of scan(stub, start.toString(), end.toString())) {
      found.push(line(key, value));
      if (found.length === Number(count)) {
        break;
      }
    }
    return Buffer.concat(found);
  },

  async copy(stub, start, end, prefix) {
    let count = 0;
    for await (const {value} of scan(stub, start.toString(), end.toString())) {
      await stub.putState(`${prefix}/${String(count).padStart(4, '0')}`, value);
      count += 1;
    }
    return Buffer.from(String(count));
  },

  async tell(stub, name, payload, key) {
    await stub.putState(key.toString(), payload);
    stub.setEvent(name.toString(), payload);
    return payload;
  },

  async refuse(stub, status) {
    const code = {400: 'invalid', 403: 'denied', 404: 'not_found', 409: 'conflict', 410: 'expired'}[status.toString()];
    await stub.putState('never/1', Buffer.from('x'));
    throw new Refused(Number(status), code, `refused “${status}”`, 'refuse');
  },

  async language() {
    return Buffer.from('JavaScript');
  },
};

class KeyValues {
  async Init() {
    return Shim.success();
  }

  async Invoke(stub) {
    const [name, ...given] = stub.getBufferArgs();
    try {
      return Shim.success(await FUNCTIONS[name.toString()](stub, ...given));
    } catch (error) {
      return error instanceof Refused ? error.response : Shim.error('the contract failed');
    }
  }
}

const [address, ccid, certificate, key, clientRoot] = process.argv.slice(2);
const tlsProps = certificate && {
  cert: fs.readFileSync(certificate),
  key: fs.readFileSync(key),
  clientCACerts: fs.readFileSync(clientRoot),
};
Shim.server(new KeyValues(), {ccid, address, tlsProps}).start();
