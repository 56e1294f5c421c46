// An OAuth client for tests, with panva's oauth4webapi, which is strict.
//
// Each line of its standard input is a command, {command, ...parameters}. For each it writes a line: {result}, or {failure}
// with what the library made of the response. It exits when its input ends, so that it does not outlive the test.

import { createInterface } from 'node:readline';
import * as oauth from 'oauth4webapi';

const loopback = { [oauth.allowInsecureRequests]: true }; // http
const commands = { discover, authorize, exchange, refresh, introspect, userinfo, revoke };

let server; // its metadata
let client; // {client_id, secret, auth, redirect_uri}
let backend; // {client_id, secret, auth}
let state;
let verifier;

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...parameters } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: await commands[command](parameters) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ failure: describe(error) }));
  }
}

async function discover(parameters) {
  ({ client, backend } = parameters);
  const issuer = new URL(parameters.issuer);
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...loopback });
  server = await oauth.processDiscoveryResponse(issuer, response);
  return server;
}

async function authorize({ scope, pkce }) {
  requireMetadata('response_types_supported', 'code');
  requireMetadata('response_modes_supported', 'query');
  if (server.authorization_response_iss_parameter_supported !== true) throw new Error('authorization_response_iss_parameter_supported is not true');
  scope.split(' ').forEach((name) => requireMetadata('scopes_supported', name));
  state = oauth.generateRandomState();
  const parameters = { response_type: 'code', client_id: client.client_id, redirect_uri: client.redirect_uri, scope, state };
  verifier = oauth.nopkce;
  if (pkce) {
    requireMetadata('code_challenge_methods_supported', 'S256');
    verifier = oauth.generateRandomCodeVerifier();
    parameters.code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
    parameters.code_challenge_method = 'S256';
  }
  const url = new URL(server.authorization_endpoint);
  Object.entries(parameters).forEach(([name, value]) => url.searchParams.set(name, value));
  return { url, state, verifier: pkce ? verifier : '' };
}

// exchange takes the URL that the browser was redirected to, and optionally a wrong verifier or secret. A null verifier is
// not sent.
async function exchange({ redirect, verifier: other, secret }) {
  requireMetadata('grant_types_supported', 'authorization_code');
  const parameters = oauth.validateAuthResponse(server, client, new URL(redirect), state);
  const proof = other === undefined ? verifier : other ?? oauth.nopkce;
  const authentication = authenticate({ ...client, secret: secret ?? client.secret }, 'token');
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, authentication, parameters, client.redirect_uri, proof, loopback);
  return bodyAsSent(response, () => oauth.processAuthorizationCodeResponse(server, client, response));
}

async function refresh({ token }) {
  requireMetadata('grant_types_supported', 'refresh_token');
  const response = await oauth.refreshTokenGrantRequest(server, client, authenticate(client, 'token'), token, loopback);
  return bodyAsSent(response, () => oauth.processRefreshTokenResponse(server, client, response));
}

async function introspect({ token }) {
  const response = await oauth.introspectionRequest(
    server, backend, authenticate(backend, 'introspection'), token, loopback);
  return bodyAsSent(response, () => oauth.processIntrospectionResponse(server, backend, response));
}

async function userinfo({ token, subject }) {
  const response = await oauth.userInfoRequest(server, client, token, loopback);
  return bodyAsSent(response, () => oauth.processUserInfoResponse(server, client, subject, response));
}

async function revoke({ token }) {
  const response = await oauth.revocationRequest(server, client, authenticate(client, 'revocation'), token, loopback);
  await oauth.processRevocationResponse(response);
}

// requireMetadata throws if the metadata does not have a value, because a client knows the server by its metadata only.
function requireMetadata(name, value) {
  if (!server[name]?.includes(value)) throw new Error(`the metadata does not name ${value} among ${name}`);
}

function authenticate({ auth, secret }, endpoint) {
  requireMetadata(`${endpoint}_endpoint_auth_methods_supported`, auth);
  return auth === 'client_secret_post' ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
}

// bodyAsSent returns a body that the library accepts, without the library's corrections (of numbers in quotes, for example).
async function bodyAsSent(response, accept) {
  const copy = response.clone();
  await accept();
  if (copy.headers.get('cache-control') !== 'no-store') throw new Error('Cache-Control is not no-store'); // RFC 6749 section 5.1
  return copy.json();
}

// describe returns the server's error from the body, the redirect or the challenge, and the library's code and message.
function describe(error) {
  const challenge = Array.isArray(error.cause) ? error.cause[0] : undefined;
  return {
    code: error.code ?? '',
    error: error.error ?? challenge?.parameters.error ?? '',
    scheme: challenge?.scheme ?? '',
    status: error.status ?? 0,
    message: error.message,
  };
}
