// An OpenID Provider for tests: the protocol is that of panva's oidc-provider, the people and the login page are ours.
//
// It reads one line of JSON from its standard input: {port, client, people}. Once it listens it writes "ready" and its
// issuer. It ends when its input ends, so that it never outlives who started it.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

const input = createInterface({ input: process.stdin });
const [line] = await once(input, 'line');
input.on('close', () => process.exit(0));

const { port, client, people } = JSON.parse(line);
const asked = new Map(); // path -> number of requests

const server = createServer();
server.listen(port, '127.0.0.1');
await once(server, 'listening');

// Another host than the bridge's, so that browsers take the two for different sites and their cookies do not mix.
const issuer = `http://localhost:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: client.id,
    client_secret: client.secret,
    redirect_uris: [client.redirect_uri],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: 'ES256',
    backchannel_logout_uri: client.logout_uri,
    backchannel_logout_session_required: true,
  }],
  clientAuthMethods: ['client_secret_basic'],
  pkce: { required: () => true },
  claims: { profile: ['name'], email: ['email', 'email_verified'], groups: ['groups'] },
  conformIdTokenClaims: false, // puts the claims of a scope into the ID token too
  jwks: { keys: [newKey()] },
  cookies: { keys: [randomUUID()] },
  features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // the dispatcher refuses loopback addresses
  interactions: { url: (_, interaction) => `/login/${interaction.uid}` },
  findAccount,
  loadExistingGrant: grantWhatIsAsked,
});
const answer = provider.callback();

server.on('request', (request, response) => {
  const { pathname, searchParams } = new URL(request.url, issuer);
  if (pathname === '/asked') {
    response.end(String(asked.get(searchParams.get('path')) ?? 0));
    return;
  }
  if (pathname === '/disable') {
    people.splice(people.findIndex((p) => p.subject === searchParams.get('subject')), 1);
    response.end();
    return;
  }
  asked.set(pathname, (asked.get(pathname) ?? 0) + 1);
  if (!pathname.startsWith('/login/')) {
    answer(request, response);
  } else if (request.method === 'POST') {
    takeLogin(request, response).catch((error) => fail(response, error));
  } else {
    ask(request, response).catch((error) => fail(response, error));
  }
});
// What a relying party responds to a logout token.
provider.on('backchannel.success', (_, { clientId }) => console.log('logged out of', clientId));
provider.on('backchannel.error', (_, error) => console.log('not logged out:', error.message));
console.log('ready', issuer);

function newKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'ES256' };
}

function findAccount(_, subject) {
  const person = people.find((p) => p.subject === subject);
  if (!person) return undefined;
  return { accountId: subject, claims: () => ({ sub: subject, ...person.claims }) };
}

// grantWhatIsAsked spares people a consent page of the provider's.
async function grantWhatIsAsked({ oidc }) {
  const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope(oidc.params.scope);
  await grant.save();
  return grant;
}

// ask shows the login page. It spares people the question that offline_access makes necessary (OIDC Core §11).
async function ask(request, response) {
  const { prompt } = await provider.interactionDetails(request, response);
  if (prompt.name === 'consent') {
    await provider.interactionFinished(request, response, { consent: {} }, { mergeWithLastSubmission: true });
    return;
  }
  showLogin(response, '');
}

function showLogin(response, fault) {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(`<!doctype html>
<html lang="en">
<title>Sign in</title>
<h1>Sign in</h1>
<p>${fault}</p>
<form method="post">
  <label>User name <input name="login" id="login"></label>
  <label>Password <input name="password" id="password" type="password"></label>
  <button name="action" value="sign-in" id="sign-in">Sign in</button>
  <button name="action" value="cancel" id="cancel">Cancel</button>
</form>
</html>
`);
}

async function takeLogin(request, response) {
  const form = await readForm(request);
  if (form.get('action') === 'cancel') {
    const result = { error: 'access_denied', error_description: 'the person cancelled' };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    return;
  }
  const person = people.find((p) => p.login === form.get('login') && p.password === form.get('password'));
  if (!person) {
    showLogin(response, 'That is not a user name with its password.');
    return;
  }
  await provider.interactionFinished(request, response, { login: { accountId: person.subject } });
}

async function readForm(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
}

function fail(response, error) {
  response.statusCode = 500;
  response.end(`${error.name}: ${error.message}\n`);
}
