// A client of the code grant for tests: the protocol is that of panva's oauth4webapi, which forgives little, and the
// errands are ours.
//
// Each line of its standard input is an errand, {errand, ...}, and is answered by one line: {done}, or {failed} with what
// the library made of it. It ends when its input ends, so that it never outlives who started it.

import { createInterface } from 'node:readline';
import * as oauth from 'oauth4webapi';

const loopback = { [oauth.allowInsecureRequests]: true }; // http
const errands = { discover, authorize, exchange, refresh, introspect, userinfo, revoke };

let server; // its metadata
let client; // {client_id, secret, auth, redirect_uri}
let backend; // {client_id, secret, auth}
let state;
let verifier;

for await (const line of createInterface({ input: process.stdin })) {
  const { errand, ...given } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ done: await errands[errand](given) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ failed: explained(error) }));
  }
}

async function discover(given) {
  ({ client, backend } = given);
  const issuer = new URL(given.issuer);
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...loopback });
  server = await oauth.processDiscoveryResponse(issuer, response);
  return server;
}

async function authorize({ scope, pkce }) {
  wantAnnounced('response_types_supported', 'code');
  wantAnnounced('response_modes_supported', 'query');
  if (server.authorization_response_iss_parameter_supported !== true) throw new Error('the metadata does not promise iss');
  scope.split(' ').forEach((name) => wantAnnounced('scopes_supported', name));
  state = oauth.generateRandomState();
  const parameters = { response_type: 'code', client_id: client.client_id, redirect_uri: client.redirect_uri, scope, state };
  verifier = oauth.nopkce;
  if (pkce) {
    wantAnnounced('code_challenge_methods_supported', 'S256');
    verifier = oauth.generateRandomCodeVerifier();
    parameters.code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
    parameters.code_challenge_method = 'S256';
  }
  const url = new URL(server.authorization_endpoint);
  Object.entries(parameters).forEach(([name, value]) => url.searchParams.set(name, value));
  return { url, state, verifier: pkce ? verifier : '' };
}

// exchange takes the address at which the browser came back. Another verifier or secret than the right one may be given;
// no verifier is null.
async function exchange({ redirect, verifier: other, secret }) {
  wantAnnounced('grant_types_supported', 'authorization_code');
  const parameters = oauth.validateAuthResponse(server, client, new URL(redirect), state);
  const proof = other === undefined ? verifier : other ?? oauth.nopkce;
  const authentication = authenticate({ ...client, secret: secret ?? client.secret }, 'token');
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, authentication, parameters, client.redirect_uri, proof, loopback);
  return asWritten(response, () => oauth.processAuthorizationCodeResponse(server, client, response));
}

async function refresh({ token }) {
  wantAnnounced('grant_types_supported', 'refresh_token');
  const response = await oauth.refreshTokenGrantRequest(server, client, authenticate(client, 'token'), token, loopback);
  return asWritten(response, () => oauth.processRefreshTokenResponse(server, client, response));
}

async function introspect({ token }) {
  const response = await oauth.introspectionRequest(
    server, backend, authenticate(backend, 'introspection'), token, loopback);
  return asWritten(response, () => oauth.processIntrospectionResponse(server, backend, response));
}

async function userinfo({ token, subject }) {
  const response = await oauth.userInfoRequest(server, client, token, loopback);
  return asWritten(response, () => oauth.processUserInfoResponse(server, client, subject, response));
}

async function revoke({ token }) {
  const response = await oauth.revocationRequest(server, client, authenticate(client, 'revocation'), token, loopback);
  await oauth.processRevocationResponse(response);
}

// wantAnnounced refuses what the metadata does not name: a stranger has nothing else to go by.
function wantAnnounced(name, value) {
  if (!server[name]?.includes(value)) throw new Error(`the metadata does not name ${value} among ${name}`);
}

function authenticate({ auth, secret }, endpoint) {
  wantAnnounced(`${endpoint}_endpoint_auth_methods_supported`, auth);
  return auth === 'client_secret_post' ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
}

// asWritten returns a body that the library accepts as it was before the library mended it: a number in quotes, for one.
async function asWritten(response, accept) {
  const written = response.clone();
  await accept();
  if (written.headers.get('cache-control') !== 'no-store') throw new Error('the answer may be stored'); // RFC 6749 §5.1
  return written.json();
}

// explained tells what the server said, by its body, its redirect or its challenge, and the library's own word on it.
function explained(error) {
  const challenge = Array.isArray(error.cause) ? error.cause[0] : undefined;
  return {
    code: error.code ?? '',
    error: error.error ?? challenge?.parameters.error ?? '',
    scheme: challenge?.scheme ?? '',
    status: error.status ?? 0,
    message: error.message,
  };
}
