'use strict';

// Loaded by `node --require` in the test of the skill. Puts a test authority in place of those that Node trusts, and a
// server of the test in place of s3.amazonaws.com, which has the certificates of Alexa. All else of Amazon's verifier
// stays as it is.

const { readFileSync } = require('node:fs');
const https = require('node:https');
const helper = require('ask-sdk-express-adapter/dist/verifier/helper');

const root = readFileSync(process.env.TEST_ROOT, 'utf8');
const port = Number(process.env.TEST_CHAIN_PORT);

const { generateCAStore } = helper;
helper.generateCAStore = () => generateCAStore([root]);

const { get } = https;
https.get = (url, respond) => {
  const { hostname, pathname } = new URL(url);
  return get({ host: '127.0.0.1', port, path: pathname, servername: hostname, ca: root, headers: { host: hostname } }, respond);
};
