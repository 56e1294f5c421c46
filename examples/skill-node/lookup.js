'use strict';

// The kit for the backend of a skill that is written for Node.js 18 or later. It finds the access token in a request of
// Alexa, asks the bridge whose it is (RFC 7662), and builds the response for those who are not linked. Copy this file.
//
// A lookup has three outcomes, which a skill must not confuse:
//
//   - a Person: upstreamIss and subject together say who it is.
//   - NotLinkedError: there is no token, or the link has ended. Ask for the account to be linked.
//   - any other error: nothing is known about the link. Say that the skill is not available. Do not say that the link
//     is broken: Amazon deletes the link of a smart home skill that does.
//
// With ask-sdk: addRequestInterceptors(client.interceptor()) and addErrorHandlers(client.errorHandler()). Without:
//
//   const request = parseRequest(event);
//   try {
//     const person = await client.lookup(request);
//     …
//   } catch (error) {
//     return client.errorResponse(request, error);
//   }

const { createHash, randomUUID } = require('node:crypto');
const http = require('node:http');
const https = require('node:https');

/** Nothing is known about the link. Of this class itself: the client is configured wrongly. */
class LookupError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** The person must link the account. It is certain: there is no token, or the bridge said that it is not active. */
class NotLinkedError extends LookupError {}

/** The bridge could not be reached, or did not respond as a bridge. It may work again soon. */
class UnavailableError extends LookupError {}

/** Whose token it is, and by which link. It may be shared with other requests, so it is frozen. */
class Person {
  constructor(response) {
    this.upstreamIss = response.upstream_iss; // the issuer of the provider
    this.subject = response.sub; // the person at the provider; unique only together with upstreamIss
    this.claims = Object.freeze(response.claims ?? {}); // those that the skill is configured with and the provider sent
    this.linkId = response.link_id ?? '';
    this.clientId = response.client_id ?? ''; // the skill
    this.provider = response.provider ?? ''; // its id in the bridge's configuration
    this.scope = response.scope ?? ''; // separated by spaces
    this.issuer = response.iss ?? ''; // the public URL of the bridge
    this.issuedAt = new Date((response.iat ?? 0) * 1000);
    this.expiresAt = response.exp ? new Date(response.exp * 1000) : null; // null: the token never expires
    this.test = response.test === true; // made by `links mint` for a test
    Object.freeze(this);
  }

  /** upstreamIss and subject as one string, by which a skill can store what belongs to the person. */
  get key() {
    return `${this.upstreamIss} ${this.subject}`;
  }

  /** A claim that is text, or ''. */
  claim(name) {
    const value = Object.hasOwn(this.claims, name) ? this.claims[name] : '';
    return typeof value === 'string' ? value : '';
  }
}

/** Asks a bridge whose a token is. Make one, and keep it: it reuses connections. */
class LookupClient {
  #endpoint;
  #authorization;
  #options;
  #agent;
  #persons = new Map(); // by key, the one looked up last at the end
  #running = new Map(); // promises of lookups, by key

  /**
   * @param {object} options
   * @param {string} options.endpoint the URL of /lookup
   * @param {string} options.id the id of the backend
   * @param {string} options.secret
   * @param {number} [options.timeoutMs] of a lookup; Alexa waits at most 8 seconds for a skill
   * @param {number} [options.cacheMs] how long a person is remembered, but never beyond the end of the token. For so
   *   long a link may go on after it was revoked. 0: every request is looked up
   * @param {number} [options.cacheSize] how many persons are remembered, those looked up last
   * @param {boolean} [options.allowTest] takes test links, made by `links mint`, for links
   * @param {boolean} [options.sendAlexaUserId] sends the id of the Alexa user, which the bridge stores as a hash
   * @param {function(string): {notLinked?: string, unavailable?: string}} [options.texts] what the skill says to those
   *   who are not linked, and when nothing is known, in the language of a locale such as de-DE
   */
  constructor(options) {
    const {
      endpoint, id, secret, timeoutMs = 3000, cacheMs = 0, cacheSize = 10_000, allowTest = false,
      sendAlexaUserId = false, texts = () => ({}), ...unknown
    } = options;
    for (const [name, value] of Object.entries({ endpoint, id, secret })) {
      if (typeof value !== 'string' || value === '') {
        throw new TypeError(`LookupClient: ${name} is missing; set it`);
      }
    }
    for (const name of Object.keys(unknown)) {
      throw new TypeError(`LookupClient: there is no option ${name}; correct or remove it`);
    }
    checkTypes({ timeoutMs, cacheMs, cacheSize }, { allowTest, sendAlexaUserId }, texts);
    this.#endpoint = new URL(endpoint);
    if (!['http:', 'https:'].includes(this.#endpoint.protocol)) {
      throw new TypeError('LookupClient: endpoint is not an http or https URL; set that of /lookup');
    }
    const credentials = `${formEncode(id)}:${formEncode(secret)}`; // RFC 6749 §2.3.1
    this.#authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
    this.#options = { timeoutMs, cacheMs, cacheSize, allowTest, sendAlexaUserId, texts };
    this.#agent = newAgent(this.#endpoint.protocol === 'https:' ? https : http);
  }

  /**
   * Returns who sent a request, or throws NotLinkedError. After any other error nothing is known about the link. Equal
   * lookups at the same time are sent once.
   * @returns {Promise<Person>}
   */
  async lookup(request) {
    if (!request.token) {
      throw new NotLinkedError('the account is not linked: the request has no token');
    }
    const form = { token: request.token };
    if (this.#options.sendAlexaUserId && request.alexaUserId) {
      form.alexa_user_id = request.alexaUserId;
    }
    const body = new URLSearchParams(form).toString();
    const key = createHash('sha256').update(body).digest('hex'); // keeps no token in memory
    const remembered = this.#remembered(key);
    if (remembered) {
      return remembered;
    }
    if (!this.#running.has(key)) {
      this.#running.set(key, this.#ask(key, body, request.token).finally(() => this.#running.delete(key)));
    }
    return this.#running.get(key);
  }

  /**
   * Sends a skill event, such as AlexaSkillEvent.SkillDisabled, to the bridge: parsed, as text, or as a Buffer. It is
   * for a skill on AWS Lambda, where Alexa signs no events, so that the backend vouches for them. When it throws, let
   * the function fail, so that Alexa sends the event again.
   */
  async forwardEvent(event) {
    const body = typeof event === 'string' || Buffer.isBuffer(event) ? event : JSON.stringify(event);
    await this.#tell('/alexa/events', body, 'application/json');
  }

  /**
   * Ends the link of a person, by its linkId, because Alexa's event gateway answered SKILL_DISABLED_EXCEPTION. A link
   * that has ended, or that is unknown, is no error.
   */
  async reportDisabled(linkId) {
    await this.#tell('/alexa/disabled', new URLSearchParams({ link_id: linkId }).toString());
  }

  /** Closes idle connections. */
  close() {
    this.#agent.destroy();
  }

  async #ask(key, body, token) {
    const start = Date.now(); // the link may end before the response comes
    const response = await this.#post(body, AbortSignal.timeout(this.#options.timeoutMs));
    const person = parseResponse(...response, token);
    if (person.test && !this.#options.allowTest) {
      throw new NotLinkedError('the account is not linked: it is a test link, and allowTest is not set');
    }
    this.#remember(key, person, start);
    return person;
  }

  /** Sends something to another endpoint of the bridge, whose URL begins as that of /lookup. */
  async #tell(path, body, contentType) {
    const url = new URL(this.#endpoint);
    if (!url.pathname.endsWith('/lookup')) {
      throw new LookupError(`endpoint does not end in /lookup, so the URL of ${path} is not known`);
    }
    url.pathname = url.pathname.slice(0, -'/lookup'.length) + path;
    const [status] = await this.#post(body, AbortSignal.timeout(this.#options.timeoutMs), url, contentType);
    if (mayPass(status) && status !== 200) {
      throw new UnavailableError(`the bridge is unavailable: status ${status} of ${path}`);
    }
    if (status !== 200) {
      throw new LookupError(`status ${status} of ${path}; the log of the bridge says why`);
    }
  }

  /** Returns the status and the body of the bridge's response. Node follows no redirect by itself. */
  async #post(body, signal, url = this.#endpoint, contentType = 'application/x-www-form-urlencoded') {
    for (;;) {
      const sent = (url.protocol === 'https:' ? https : http).request(url, {
        method: 'POST', agent: this.#agent, signal,
        headers: {
          authorization: this.#authorization, 'content-type': contentType, 'content-length': Buffer.byteLength(body),
        },
      });
      try {
        return await receive(sent, body);
      } catch (error) {
        // The bridge may close a connection while it is idle. A new one shows whether it is there.
        if (!sent.reusedSocket || signal.aborted || !['ECONNRESET', 'EPIPE'].includes(error.code)) {
          const why = signal.aborted ? `no response within ${this.#options.timeoutMs} ms` : error.message || error.code;
          throw new UnavailableError(`the bridge is unavailable: ${why}`); // a cause may have what was received
        }
      }
    }
  }

  #remembered(key) {
    const entry = this.#persons.get(key);
    if (!entry) {
      return null;
    }
    this.#persons.delete(key);
    const now = Date.now();
    if (now < entry.start || now >= entry.until) { // before the start: the clock was set back
      return null;
    }
    this.#persons.set(key, entry); // at the end
    return entry.person;
  }

  #remember(key, person, start) {
    if (this.#options.cacheMs === 0) {
      return;
    }
    const until = Math.min(start + this.#options.cacheMs, person.expiresAt?.getTime() ?? Infinity);
    this.#persons.set(key, { person, start, until });
    if (this.#persons.size > this.#options.cacheSize) {
      this.#persons.delete(this.#persons.keys().next().value);
    }
  }

  /**
   * Returns the response to a request for which lookup threw an error: after NotLinkedError a LinkAccount card or
   * INVALID_AUTHORIZATION_CREDENTIAL, after any other error the request to try again later or INTERNAL_ERROR.
   */
  errorResponse(request, error) {
    const notLinked = error instanceof NotLinkedError;
    if (request.kind === 'smart home') {
      return smartHomeError(request, notLinked);
    }
    if (request.kind === 'music') {
      return { header: errorHeader('Alexa', '3.0'), payload: errorPayload(notLinked) };
    }
    return { version: '1.0', response: isSpoken(request) ? this.#spokenError(request, notLinked) : {} };
  }

  #spokenError(request, notLinked) {
    const texts = this.#options.texts(request.locale) ?? {};
    const text = notLinked
      ? texts.notLinked || 'Please link your account in the Alexa app.'
      : texts.unavailable || 'This is not available right now. Please try again later.';
    return {
      outputSpeech: { type: 'PlainText', text },
      ...(notLinked && { card: { type: 'LinkAccount' } }),
      shouldEndSession: true,
    };
  }

  /**
   * A request interceptor of ask-sdk: puts the person into the request attributes, as `person`. Requests that nobody
   * spoke, such as the end of a session, go on without a person if there is none.
   */
  interceptor() {
    return {
      process: async ({ requestEnvelope, attributesManager }) => {
        const request = parseRequest(requestEnvelope);
        try {
          attributesManager.setRequestAttributes({
            ...attributesManager.getRequestAttributes(), person: await this.lookup(request),
          });
        } catch (error) {
          if (isSpoken(request)) {
            throw error;
          }
        }
      },
    };
  }

  /**
   * An error handler of ask-sdk for the errors that the interceptor throws. Logs those that are not NotLinkedError. An
   * event that could not be forwarded stays an error.
   */
  errorHandler() {
    return {
      canHandle: ({ requestEnvelope }, error) => error instanceof LookupError &&
        !requestEnvelope.request.type.startsWith('AlexaSkillEvent.'),
      handle: (input, error) => {
        if (!(error instanceof NotLinkedError)) {
          console.error(`lookup failed: ${error.name}: ${error.message}`);
        }
        return this.errorResponse(parseRequest(input.requestEnvelope), error).response;
      },
    };
  }
}

/** Throws unless options have their types. Text of the environment has not: 'no' counts as true. */
function checkTypes(numbers, booleans, texts) {
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isFinite(value) || value < 0) {
      throw new TypeError(`LookupClient: ${name} is not a number that is 0 or more; correct it`);
    }
  }
  for (const [name, value] of Object.entries(booleans)) {
    if (typeof value !== 'boolean') {
      throw new TypeError(`LookupClient: ${name} is not a boolean; set true or false`);
    }
  }
  if (numbers.timeoutMs === 0) {
    throw new TypeError('LookupClient: timeoutMs is 0, which lets no lookup succeed; correct it');
  }
  if (typeof texts !== 'function') {
    throw new TypeError('LookupClient: texts is not a function of a locale; correct it');
  }
}

/**
 * Returns an agent that keeps connections, except one on which a response comes that nobody asked for: it would be
 * taken for the response to the next lookup, and so one person for another.
 */
function newAgent({ Agent }) {
  function discard() {
    this.destroy();
  }
  class CarefulAgent extends Agent {
    keepSocketAlive(socket) {
      socket.on('data', discard);
      return super.keepSocketAlive(socket);
    }

    reuseSocket(socket, request) {
      socket.off('data', discard);
      super.reuseSocket(socket, request);
    }
  }
  return new CarefulAgent({ keepAlive: true });
}

/**
 * Reads a request of Alexa to a custom, smart home or music skill: as text, as a Buffer, or parsed already. Throws a
 * TypeError, with nothing of the body, if it is none of these; then nothing is known about the link.
 *
 * The token of a custom skill with personalization belongs to the person whose voice Alexa recognized, if that one has
 * linked, and else to the account. '' stands for what is not in the request.
 */
function parseRequest(body) {
  const parsed = typeof body === 'string' || Buffer.isBuffer(body) ? parseJSON(body) : body; // whose errors quote it
  try {
    const { directive, header, request } = object(parsed);
    if (textAt(directive, 'header', 'namespace')) {
      return smartHomeRequest(directive);
    }
    if (textAt(header, 'namespace')) {
      return musicRequest(parsed);
    }
    if (textAt(request, 'type')) {
      return customRequest(parsed);
    }
  } catch (error) {
    throw new TypeError(`this is not a request of Alexa: ${error.message}`);
  }
  throw new TypeError('this is not a request of Alexa: it has neither request.type nor a directive');
}

function customRequest({ context, session, request }) {
  const system = object(object(context).System);
  const account = first(textAt(system, 'user', 'accessToken'), textAt(session, 'user', 'accessToken'));
  const token = first(textAt(system, 'person', 'accessToken'), account);
  const userId = first(textAt(system, 'user', 'userId'), textAt(session, 'user', 'userId'));
  return {
    kind: 'custom',
    type: request.type,
    locale: textAt(request, 'locale'),
    token,
    alexaUserId: token === account ? userId : '', // it is that of the account, and not of another person
    skillId: first(textAt(system, 'application', 'applicationId'), textAt(session, 'application', 'applicationId')),
  };
}

function smartHomeRequest(directive) {
  return {
    kind: 'smart home',
    type: `${directive.header.namespace}.${textAt(directive, 'header', 'name')}`,
    locale: '',
    token: first(textAt(directive, 'endpoint', 'scope', 'token'), textAt(directive, 'payload', 'scope', 'token'),
      textAt(directive, 'payload', 'grantee', 'token')),
    alexaUserId: '',
    skillId: '',
    correlationToken: textAt(directive, 'header', 'correlationToken'),
    endpointId: textAt(directive, 'endpoint', 'endpointId'),
  };
}

function musicRequest({ header, payload }) {
  return {
    kind: 'music',
    type: `${header.namespace}.${textAt(header, 'name')}`,
    locale: '',
    token: textAt(payload, 'requestContext', 'user', 'accessToken'),
    alexaUserId: textAt(payload, 'requestContext', 'user', 'userId'),
    skillId: '',
  };
}

/** Returns a text inside an object, '' if it is not there. Throws if it is something else, as in a forged request. */
function textAt(value, ...path) {
  for (const name of path) {
    value = object(value)[name];
  }
  if (value !== undefined && value !== null && typeof value !== 'string') {
    throw new TypeError(`${path.at(-1)} is not text`);
  }
  return value ?? '';
}

/** Returns the first text that is not empty, or ''. */
function first(...texts) {
  return texts.find((text) => text !== '') ?? '';
}

function object(value) {
  if (value !== undefined && value !== null && !isObject(value)) {
    throw new TypeError('it has another value where an object must be');
  }
  return value ?? {};
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const silent = [
  'SessionEndedRequest', 'CanFulfillIntentRequest', 'System.ExceptionEncountered', 'AudioPlayer.', 'PlaybackController.',
  'AlexaSkillEvent.', 'AlexaHouseholdListEvent.', 'Reminders.', 'Messaging.',
];

/** Tells whether Alexa speaks the response. It does not after the end of a session, at events, and during playback. */
function isSpoken(request) {
  return request.kind === 'custom' && !silent.some((prefix) => request.type.startsWith(prefix));
}

const maxResponse = 1 << 20; // bytes

function receive(sent, body) {
  return new Promise((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks = [];
      let size = 0;
      response.on('data', (chunk) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxResponse) {
          response.destroy(new Error('the response is too large'));
        }
      });
      response.on('error', reject);
      response.on('end', () => resolve([response.statusCode, Buffer.concat(chunks)]));
    });
    sent.end(body);
  });
}

/** Returns a Person, or throws. Only a bridge says that a link has ended: the page of a proxy says nothing about it. */
function parseResponse(status, body, token) {
  const response = parseJSON(body);
  if (status !== 200) {
    throw statusError(status, isObject(response) ? response : {}, token);
  }
  if (!isBridgeResponse(response)) {
    throw new UnavailableError('the bridge is unavailable: the response is not that of a bridge');
  }
  if (!response.active) {
    throw new NotLinkedError('the account is not linked: the token is not active');
  }
  return new Person(response);
}

const maxTime = 253_402_300_799; // the end of the year 9999, in seconds since 1970

function isBridgeResponse(response) {
  if (!isObject(response) || typeof response.active !== 'boolean') {
    return false;
  }
  const isText = (name) => typeof (response[name] ?? '') === 'string';
  const isTime = (value) => Number.isInteger(value) && value >= 0 && value <= maxTime;
  return !response.active || response.sub && response.upstream_iss && isObject(response.claims ?? {}) &&
    ['sub', 'upstream_iss', 'iss', 'client_id', 'scope', 'link_id', 'provider'].every(isText) &&
    isTime(response.iat ?? 0) && isTime(response.exp ?? 0) && typeof (response.test ?? false) === 'boolean';
}

/** Tells whether what a status says may be otherwise soon. */
function mayPass(status) {
  return status >= 500 || status === 429 || status === 408 || status < 400;
}

function statusError(status, { error, error_description: description }, token) {
  if (mayPass(status)) {
    return new UnavailableError(`the bridge is unavailable: status ${status}`);
  }
  return new LookupError(`status ${status}: ${clean(error, token)}: ${clean(description, token)}`);
}

/** Makes what a server wrote fit for a log: not long, and without the token, which some servers send back. */
function clean(text, token) {
  const parts = (typeof text === 'string' ? text : '').replaceAll(token, '[removed]');
  return JSON.stringify(parts.replaceAll(formEncode(token), '[removed]').slice(0, 200));
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Returns the value of JSON, as text or in UTF-8, or undefined for what is none. */
function parseJSON(text) {
  try {
    return JSON.parse(typeof text === 'string' ? text : utf8.decode(text));
  } catch {
    return undefined;
  }
}

/** Types of errors of the smart home and the music API. After INVALID_… Amazon deletes the link. */
function errorPayload(notLinked) {
  return notLinked
    ? { type: 'INVALID_AUTHORIZATION_CREDENTIAL', message: 'The account is not linked.' }
    : { type: 'INTERNAL_ERROR', message: 'It is not known whether the account is linked. Try again later.' };
}

function errorHeader(namespace, payloadVersion) {
  return { namespace, name: 'ErrorResponse', messageId: randomUUID(), payloadVersion };
}

function smartHomeError(request, notLinked) {
  const grants = request.type === 'Alexa.Authorization.AcceptGrant';
  const header = errorHeader(grants ? 'Alexa.Authorization' : 'Alexa', '3');
  const payload = errorPayload(notLinked);
  if (grants) {
    payload.type = 'ACCEPT_GRANT_FAILED';
  }
  if (request.correlationToken) {
    header.correlationToken = request.correlationToken;
  }
  const endpoint = request.endpointId ? { endpoint: { endpointId: request.endpointId } } : {};
  return { event: { header, payload, ...endpoint } };
}

function formEncode(text) {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

module.exports = { LookupClient, LookupError, NotLinkedError, Person, UnavailableError, parseRequest };
