// Amazon's own verifier of requests, from ask-sdk-express-adapter, unmodified but for its surroundings: the authorities
// that it trusts are those of the test, and what it fetches comes from the test in place of Amazon's server.
//
// Standard input is a JSON object: roots (PEM texts), and requests, each with headers, body (base64) and what is under
// the certificate's URL (status, 0: no connection; chain, base64). Standard output is a JSON array, for each request the
// error of the verifier, or "".

'use strict';

const { EventEmitter } = require('node:events');
const { readFileSync } = require('node:fs');
const https = require('node:https');

const { roots, requests } = JSON.parse(readFileSync(0, 'utf8'));

const helper = require('ask-sdk-express-adapter/dist/verifier/helper');
const { generateCAStore } = helper;
helper.generateCAStore = () => generateCAStore(roots);

let current; // the request that is verified

https.get = (url, respond) => {
  new URL(url); // as the real one: throws for what is no URL
  const call = Object.assign(new EventEmitter(), { end() {} });
  setImmediate(() => {
    if (current.status === 0) return call.emit('error', new Error('connect ECONNREFUSED'));
    const response = Object.assign(new EventEmitter(), { statusCode: current.status, setEncoding() {} });
    respond(response);
    response.emit('data', Buffer.from(current.chain, 'base64').toString('utf8'));
    response.emit('end');
  });
  return call;
};

const { SkillRequestSignatureVerifier, TimestampVerifier } = require('ask-sdk-express-adapter');

async function verify(request) {
  current = request;
  const body = Buffer.from(request.body, 'base64').toString('utf8');
  try {
    await new SkillRequestSignatureVerifier().verify(body, request.headers); // a new one: nothing is cached
    await new TimestampVerifier().verify(body);
    return '';
  } catch (error) {
    return error.message || 'refused';
  }
}

(async () => {
  const results = [];
  for (const request of requests) results.push(await verify(request));
  console.log(JSON.stringify(results));
})();
