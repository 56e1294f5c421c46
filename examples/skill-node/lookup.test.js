'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');
const { inspect } = require('node:util');
const { LookupClient, LookupError, NotLinkedError, UnavailableError, parseRequest } = require('./lookup');

const cases = JSON.parse(readFileSync(path.join(__dirname, '../../bridge/lookup/testdata/cases.json')));

/** Starts a bridge that responds by a function. Returns a client maker and the requests received. */
async function startBridge(t, respond) {
  const asked = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => {
      asked.push({
        headers: request.headers, method: request.method, url: request.url, body, form: new URLSearchParams(body),
      });
      respond(response, asked.at(-1), request);
    });
  });
  await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
  t.after(() => { server.close(); server.closeAllConnections(); });
  const endpoint = `http://127.0.0.1:${server.address().port}/lookup`;
  const newClient = (options = {}) => {
    const client = new LookupClient({ endpoint, id: 'a', secret: 'b', ...options });
    t.after(() => client.close());
    return client;
  };
  return { server, asked, newClient };
}

function respondJSON(response, value) {
  response.end(JSON.stringify(value));
}

function person(subject, exp) {
  return { active: true, sub: subject, upstream_iss: 'https://login.example.com', exp };
}

async function outcome(lookup) {
  try {
    await lookup;
    return 'active';
  } catch (error) {
    assert.ok(error instanceof LookupError, error);
    return error instanceof NotLinkedError ? 'not linked' : 'unknown';
  }
}

/** Returns the body of a case. */
function bytesOf({ body, base64 = '', spaces = 0 }) {
  return Buffer.concat([Buffer.from(body + ' '.repeat(spaces)), Buffer.from(base64, 'base64')]);
}

for (const c of cases.lookups) {
  test(`lookup: ${c.name}`, async (t) => {
    const { newClient } = await startBridge(t, (response, asked, request) => {
      if (c.fault === 'reset') {
        request.socket.destroy();
      } else if (c.fault !== 'timeout') {
        if (c.fault === 'interim') {
          response.writeProcessing();
        }
        response.writeHead(c.status, c.location ? { location: c.location } : {})
          .end(bytesOf(c));
      }
    });
    const client = newClient({ allowTest: c.allow_test ?? false, timeoutMs: c.fault === 'timeout' ? 50 : 3000 });
    assert.equal(await outcome(client.lookup({ token: 'token', alexaUserId: '' })), c.outcome);
  });
}

test('requests', () => {
  for (const c of cases.requests) {
    for (const body of [c.request, JSON.stringify(c.request), Buffer.from(JSON.stringify(c.request))]) {
      const { kind, token, alexaUserId } = parseRequest(body);
      const want = { kind: c.kind, token: c.token, alexaUserId: c.alexa_user_id };
      assert.deepEqual({ kind, token, alexaUserId }, want, c.name);
    }
  }
  for (const c of cases.not_requests) {
    assert.throws(() => parseRequest(bytesOf(c)), TypeError, c.name);
    if (!c.base64) {
      assert.throws(() => parseRequest(c.body), TypeError, c.name);
    }
  }
});

test('error responses', () => {
  const client = new LookupClient({ endpoint: 'http://127.0.0.1:1/lookup', id: 'a', secret: 'b' });
  const errors = { 'not linked': new NotLinkedError(), unknown: new Error('a mistake in the skill') };
  for (const c of cases.responses) {
    const response = client.errorResponse(parseRequest(c.request), errors[c.outcome]);
    const header = (response.event ?? response).header;
    if (header?.messageId) {
      header.messageId = '*';
    }
    assert.deepEqual(response, c.response, c.name);
  }
});

test('texts by locale', () => {
  const texts = (locale) => (locale === 'en-US' ? { notLinked: 'Link it.' } : {});
  const client = new LookupClient({ endpoint: 'http://127.0.0.1:1/lookup', id: 'a', secret: 'b', texts });
  const say = (locale, error) => client.errorResponse(
    parseRequest({ request: { type: 'LaunchRequest', locale } }), error).response.outputSpeech.text;
  assert.equal(say('en-US', new NotLinkedError()), 'Link it.');
  assert.equal(say('de-DE', new NotLinkedError()), 'Please link your account in the Alexa app.');
  assert.equal(say('en-US', new Error()), 'This is not available right now. Please try again later.');
});

test('what is sent to the bridge, and what is returned', async (t) => {
  const { asked, newClient } = await startBridge(t, (response) => respondJSON(response, {
    ...person('ada', 1795222800), iss: 'https://link.example.com', client_id: 'pizza', scope: 'orders', iat: 1795219200,
    link_id: 'lnk_1', provider: 'corp', claims: { name: 'Ada', groups: ['a'] },
  }));
  for (const sendAlexaUserId of [false, true]) {
    const client = newClient({ id: 'back/end', secret: 's: %*', sendAlexaUserId });
    const found = await client.lookup({ token: 'a+b /c', alexaUserId: 'amzn1.ask.account.ADA' });
    assert.equal(found.key, 'https://login.example.com ada');
    assert.deepEqual([found.claim('name'), found.claim('groups'), found.claim('constructor')], ['Ada', '', '']);
    assert.deepEqual({ ...found }, {
      upstreamIss: 'https://login.example.com', subject: 'ada', claims: { name: 'Ada', groups: ['a'] }, linkId: 'lnk_1',
      clientId: 'pizza', provider: 'corp', scope: 'orders', issuer: 'https://link.example.com',
      issuedAt: new Date(1795219200000), expiresAt: new Date(1795222800000), test: false,
    });
    const { method, headers, form } = asked.pop();
    assert.equal(method, 'POST');
    assert.equal(headers['content-type'], 'application/x-www-form-urlencoded');
    assert.equal(headers.authorization, `Basic ${Buffer.from('back%2Fend:s%3A+%25*').toString('base64')}`);
    assert.deepEqual(Object.fromEntries(form), {
      token: 'a+b /c', ...(sendAlexaUserId && { alexa_user_id: 'amzn1.ask.account.ADA' }),
    });
  }
});

test('errors say what is wrong', async (t) => {
  let status, body;
  const { newClient } = await startBridge(t, (response) => response.writeHead(status).end(body));
  for (const [s, b, type, text] of [
    [401, '{"error":"invalid_client","error_description":"wrong"}', LookupError, /status 401: "invalid_client": "wrong"/],
    [404, '', LookupError, /status 404/], [429, '', UnavailableError, /status 429/],
    [503, '', UnavailableError, /status 503/], [302, '', UnavailableError, /status 302/],
    [201, '', UnavailableError, /status 201/], [408, '', UnavailableError, /status 408/],
    [400, JSON.stringify({ error: 'token=a+%2F', error_description: `a / ${'é'.repeat(100_000)}` }), LookupError,
      /^status 400: "token=\[removed\]": "\[removed\] é{10,200}"$/],
    [200, '<html>', UnavailableError, /not that of a bridge/],
    [200, JSON.stringify({ active: false, more: 'x'.repeat(1 << 20) }), UnavailableError, /too large/],
  ]) {
    [status, body] = [s, b];
    await assert.rejects(newClient().lookup({ token: 'a /' }), (error) => {
      assert.equal(error.constructor, type);
      assert.match(error.message, text);
      return true;
    });
  }
});

test('no token: not linked, and the bridge is not asked', async (t) => {
  const { asked, newClient } = await startBridge(t, () => {});
  for (const request of [{ token: '' }, { token: null }, {}]) {
    await assert.rejects(newClient().lookup(request), NotLinkedError);
  }
  assert.equal(asked.length, 0);
});

test('options that are missing or misspelled', () => {
  const good = { endpoint: 'https://link.example.com/lookup', id: 'a', secret: 'b' };
  for (const [change, text] of [
    [{ secret: undefined }, /secret is missing/], [{ id: '' }, /id is missing/], [{ endpoint: 'lookup' }, /URL/],
    [{ endpoint: 'ftp://link.example.com' }, /not an http/], [{ allowTests: true }, /no option allowTests/],
    // What comes from the environment is text: 'no' would be true, and a time of '60000' would never end.
    [{ allowTest: 'no' }, /allowTest is not a boolean/], [{ sendAlexaUserId: '' }, /sendAlexaUserId is not a boolean/],
    [{ cacheMs: '60000' }, /cacheMs is not a number/], [{ cacheMs: NaN }, /cacheMs is not/],
    [{ cacheSize: 'all' }, /cacheSize is not a number/], [{ cacheSize: Infinity }, /cacheSize is not/],
    [{ timeoutMs: '3000' }, /timeoutMs is not a number/], [{ timeoutMs: -1 }, /timeoutMs is not/],
    [{ timeoutMs: 0 }, /timeoutMs is 0/], [{ texts: {} }, /texts is not a function/],
  ]) {
    assert.throws(() => new LookupClient({ ...good, ...change }), text);
  }
});

test('cache', async (t) => {
  let now = Date.now();
  t.mock.method(Date, 'now', () => now);
  const exp = Math.floor(now / 1000) + 20;
  const { asked, newClient } = await startBridge(t, (response, { form }) => {
    const token = form.get('token');
    response.statusCode = token === 'outage' ? 503 : 200;
    respondJSON(response, token === 'ended' ? { active: false } : person('ada', token === 'expires' ? exp : undefined));
  });
  let client = newClient();
  const wantAsked = async (want, ...tokens) => {
    asked.length = 0;
    for (const token of tokens) {
      await outcome(client.lookup({ token, alexaUserId: '' }));
    }
    assert.equal(asked.length, want, tokens.join());
  };
  await wantAsked(2, 'ada', 'ada'); // by default nothing is remembered
  client = newClient({ cacheMs: 60_000 });
  await wantAsked(2, 'ada', 'expires', 'ada', 'expires');
  await wantAsked(4, 'ended', 'outage', 'ended', 'outage'); // what is not a person is never remembered
  now += 20_000;
  await wantAsked(0, 'ada');
  await wantAsked(1, 'expires'); // not beyond the end of its token
  now += 40_000;
  await wantAsked(1, 'ada');
  client = newClient({ cacheMs: 60_000, cacheSize: 2 });
  await wantAsked(4, 'a', 'b', 'a', 'c', 'a', 'c', 'b'); // c takes the place of b
  client = newClient({ cacheMs: 60_000, sendAlexaUserId: true });
  asked.length = 0;
  for (const alexaUserId of ['a', 'b', 'a', '']) {
    await client.lookup({ token: 'token', alexaUserId });
  }
  assert.equal(asked.length, 3);
});

test('a clock that is set back ends what is remembered', async (t) => {
  let now = Date.now();
  t.mock.method(Date, 'now', () => now);
  const { asked, newClient } = await startBridge(t, (response) => respondJSON(response, person('ada')));
  const client = newClient({ cacheMs: 60_000 });
  await client.lookup({ token: 'token' });
  now -= 3_600_000;
  await client.lookup({ token: 'token' });
  assert.equal(asked.length, 2);
});

test('a person is remembered since the request: the link may have ended before the response came', async (t) => {
  let now = Date.now();
  t.mock.method(Date, 'now', () => now);
  const { asked, newClient } = await startBridge(t, (response) => {
    now += 2_000;
    respondJSON(response, person('ada'));
  });
  const client = newClient({ cacheMs: 10_000 });
  await client.lookup({ token: 'token' });
  now += 8_000;
  await client.lookup({ token: 'token' });
  assert.equal(asked.length, 2);
});

test('errors of parsing have nothing of the body', () => {
  for (const body of ['aob_at_01234567', '{"accessToken":"aob_at_0123456789",x}', '{"token":"aob_at_0123456789"}x']) {
    assert.throws(() => parseRequest(body), (error) => !/aob|789/.test(inspect(error)));
  }
});

test('equal lookups at once are sent once', async (t) => {
  let bothArrived;
  const both = new Promise((resolve) => { bothArrived = resolve; });
  const { asked, newClient } = await startBridge(t, async (response, { form }) => {
    if (asked.length === 2) {
      bothArrived();
    }
    await both;
    respondJSON(response, person(form.get('token')));
  });
  const client = newClient();
  const all = await Promise.all(['a', 'b', 'a', 'b', 'a'].map((token) => client.lookup({ token, alexaUserId: '' })));
  assert.deepEqual(all.map((found) => found.subject), ['a', 'b', 'a', 'b', 'a']);
  assert.equal(asked.length, 2);
  const again = client.lookup({ token: 'a', alexaUserId: '' }); // nothing is remembered
  assert.equal((await again).subject, 'a');
  assert.equal(asked.length, 3);
});

test('a connection is reused, and replaced when the bridge closed it', async (t) => {
  const sockets = new Set();
  let dropReused = false;
  const { asked, newClient } = await startBridge(t, (response, _, { socket }) => {
    if (dropReused && sockets.has(socket)) {
      socket.destroy(); // as a bridge that closed the idle connection before the request arrived
      return;
    }
    sockets.add(socket);
    respondJSON(response, person('ada'));
  });
  const client = newClient();
  for (let i = 0; i < 3; i++) {
    await client.lookup({ token: 'token', alexaUserId: '' });
  }
  assert.equal(sockets.size, 1);
  dropReused = true;
  await client.lookup({ token: 'token', alexaUserId: '' });
  assert.deepEqual([sockets.size, asked.length], [2, 5]);
});

test('what is not HTTP is not in the error', async (t) => {
  const { newClient } = await startBridge(t, (response, _, { socket }) => socket.end('token=aob_at_01234\r\n'));
  await assert.rejects(newClient().lookup({ token: 'aob_at_01234' }), (error) => {
    assert.doesNotMatch(inspect(error), /aob|Buffer/);
    return error instanceof UnavailableError;
  });
});

// It would be taken for the response to the next lookup, and so one person for another.
test('a connection with a response that nobody asked for is not used again', { timeout: 30_000 }, async (t) => {
  let connection;
  const { server, newClient } = await startBridge(t, (response, { form }, { socket }) => {
    connection = socket;
    respondJSON(response, person(form.get('token')));
  });
  server.keepAliveTimeout = 0; // so that it closes no connection
  const client = newClient();
  for (const token of ['a', 'b', 'c']) {
    assert.equal((await client.lookup({ token })).subject, token);
    const other = JSON.stringify(person('somebody else'));
    connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${other.length}\r\n\r\n${other}`);
    await once(connection, 'close'); // by the client
  }
});

test('interceptor and error handler of ask-sdk', async (t) => {
  const { newClient } = await startBridge(t, (response) => respondJSON(response, person('ada')));
  const client = newClient();
  const input = (type, accessToken) => {
    let attributes = { locale: 'kept' };
    return {
      requestEnvelope: { request: { type }, context: { System: { user: { accessToken } } } },
      attributesManager: {
        getRequestAttributes: () => attributes, setRequestAttributes: (changed) => { attributes = changed; },
      },
    };
  };
  const linked = input('LaunchRequest', 'token');
  await client.interceptor().process(linked);
  const { person: found, locale } = linked.attributesManager.getRequestAttributes();
  assert.deepEqual([found.subject, locale], ['ada', 'kept']);

  const ended = input('SessionEndedRequest');
  await client.interceptor().process(ended); // goes on without a person
  assert.equal(ended.attributesManager.getRequestAttributes().person, undefined);

  const stranger = input('LaunchRequest');
  await assert.rejects(client.interceptor().process(stranger), NotLinkedError);
  const handler = client.errorHandler();
  assert.equal(handler.canHandle(stranger, new Error('a mistake in the skill')), false);
  assert.equal(handler.canHandle(stranger, new NotLinkedError()), true);
  assert.deepEqual(handler.handle(stranger, new NotLinkedError()).card, { type: 'LinkAccount' });
});

test('a response that does not end', async (t) => {
  const { newClient } = await startBridge(t, (response) => response.write('{"active":'));
  const lookup = newClient({ timeoutMs: 50 }).lookup({ token: 'token', alexaUserId: '' });
  await assert.rejects(lookup, /UnavailableError: .* no response within 50 ms/);
});

test('a truncated response', async (t) => {
  const { newClient } = await startBridge(t, (response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('{"active":false}', () => response.socket.destroy());
  });
  await assert.rejects(newClient().lookup({ token: 'token', alexaUserId: '' }), UnavailableError);
});

test('no bridge at all', async (t) => {
  const { server, newClient } = await startBridge(t, () => {});
  await new Promise((closed) => { server.close(closed); });
  await assert.rejects(newClient().lookup({ token: 'token', alexaUserId: '' }), UnavailableError);
});

test('an event is forwarded, and a disabled skill reported', async (t) => {
  const { asked, newClient } = await startBridge(t, (response) => response.end());
  const client = newClient();
  const event = { request: { type: 'AlexaSkillEvent.SkillDisabled', requestId: 'ä' } };
  await client.forwardEvent(event);
  await client.forwardEvent(` ${JSON.stringify(event)}\n`);
  await client.forwardEvent(Buffer.from(JSON.stringify(event)));
  await client.reportDisabled('lnk_a&b');
  const json = 'application/json';
  const form = 'application/x-www-form-urlencoded';
  assert.deepEqual(asked.map(({ url, body, headers }) => [url, body, headers['content-type']]), [
    ['/alexa/events', JSON.stringify(event), json],
    ['/alexa/events', ` ${JSON.stringify(event)}\n`, json],
    ['/alexa/events', JSON.stringify(event), json],
    ['/alexa/disabled', 'link_id=lnk_a%26b', form],
  ]);
  assert.ok(asked.every(({ method, headers }) => method === 'POST' && headers.authorization === 'Basic YTpi'));
});

test('what the bridge is told may fail', async (t) => {
  let status;
  const { asked, newClient } = await startBridge(t, (response) => {
    response.statusCode = status;
    response.end('{"error":"the-event"}');
  });
  const client = newClient();
  for (const [code, unavailable] of [[201, true], [302, true], [400, false], [401, false], [429, true], [503, true]]) {
    status = code;
    await assert.rejects(client.forwardEvent({ request: 'the-event' }), (error) => {
      assert.equal(error instanceof UnavailableError, unavailable, `${status}`);
      assert.ok(error instanceof LookupError && !error.message.includes('the-event'), error);
      return true;
    });
  }
  assert.equal(asked.length, 6);
  const elsewhere = newClient({ endpoint: 'http://127.0.0.1:1/lookups' });
  await assert.rejects(elsewhere.reportDisabled('lnk_a'), /does not end in \/lookup/);
});

test('an event that could not be forwarded stays an error, so that Alexa sends it again', () => {
  const handler = new LookupClient({ endpoint: 'http://127.0.0.1:1/lookup', id: 'a', secret: 'b' }).errorHandler();
  const handles = (type) => handler.canHandle({ requestEnvelope: { request: { type } } }, new UnavailableError('down'));
  assert.equal(handles('LaunchRequest'), true);
  assert.equal(handles('AlexaSkillEvent.SkillDisabled'), false);
});
