"""A kit for the backend of a skill that is written for Python 3.11 or later, with the standard library only.

It finds the access token in a request of Alexa, asks the bridge whose it is (RFC 7662), and builds the response for
those who are not linked. Copy this file.

A lookup has three outcomes, which a skill must not confuse:

- a Person: upstream_iss and subject together say who it is.
- NotLinked: there is no token, or the link has ended. Ask for the account to be linked.
- any other exception: nothing is known about the link. Say that the skill is not available. Do not say that the link is
  broken: Amazon deletes the link of a smart home skill that does.

    request = lookup.parse_request(event)
    try:
        person = client.lookup(request)
    except lookup.Error as error:
        return client.error_response(request, error)
"""

import base64
import collections
import dataclasses
import hashlib
import http.client
import json
import selectors
import socket
import ssl
import threading
import time
import urllib.parse
import uuid

_MAX_RESPONSE = 1 << 20  # bytes
_MAX_IDLE = 8  # connections
_MAX_TIME = 253_402_300_799  # the end of the year 9999, in seconds since 1970
_FORM = "application/x-www-form-urlencoded"


class Error(Exception):
    """Nothing is known about the link. Of this class itself: the client is configured wrongly."""


class NotLinked(Error):
    """The person must link the account. It is certain: there is no token, or the bridge said that it is not active."""


class Unavailable(Error):
    """The bridge could not be reached, or did not respond as a bridge. It may work again soon."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What this module reads of a request of Alexa. An empty text stands for what is not in the request."""

    kind: str  # "custom", "smart home" (also video) or "music"
    # type is that of a custom skill, such as IntentRequest; else namespace and name, such as Alexa.Discovery.Discover.
    type: str
    # token is the access token. In a custom skill with personalization it belongs to the person whose voice Alexa
    # recognized, if that one has linked, and else to the account.
    token: str = dataclasses.field(default="", repr=False)
    alexa_user_id: str = ""  # whose token it is; it changes when the skill is disabled and enabled
    locale: str = ""  # such as de-DE
    skill_id: str = ""  # amzn1.ask.skill.…
    correlation_token: str = dataclasses.field(default="", repr=False)
    endpoint_id: str = ""

    @property
    def spoken(self):
        """Whether Alexa speaks the response. It does not after the end of a session, at events, and during playback."""
        silent = ("SessionEndedRequest", "CanFulfillIntentRequest", "System.ExceptionEncountered", "AudioPlayer.",
                  "PlaybackController.", "AlexaSkillEvent.", "AlexaHouseholdListEvent.", "Reminders.", "Messaging.")
        return self.kind == "custom" and not self.type.startswith(silent)


@dataclasses.dataclass(frozen=True)
class Person:
    """Whose token it is, and by which link. It may be shared with other requests: do not change its claims."""

    upstream_iss: str  # the issuer of the provider
    subject: str  # the person at the provider; unique only together with upstream_iss
    claims: dict  # those that the skill is configured with and the provider sent
    link_id: str
    client_id: str  # the skill
    provider: str  # its id in the bridge's configuration
    scope: str  # separated by spaces
    issuer: str  # the public URL of the bridge
    issued_at: int  # seconds since 1970
    expires_at: int | None  # seconds since 1970; None: the token never expires
    test: bool  # made by `links mint` for a test

    @property
    def key(self):
        """upstream_iss and subject as one text, by which a skill can store what belongs to the person."""
        return f"{self.upstream_iss} {self.subject}"

    def claim(self, name):
        """Return a claim that is text, or ""."""
        value = self.claims.get(name)
        return value if isinstance(value, str) else ""


class Client:
    """Asks a bridge whose a token is. Make one, and keep it: it reuses connections. Threads may share it.

    endpoint: the URL of /lookup. No proxy is used.
    backend_id, secret: of the backend.
    timeout: of a lookup, in seconds; Alexa waits at most 8 for a skill.
    cache_for: for how many seconds a person is remembered, but never beyond the end of the token. For so long a link
        may go on after it was revoked. 0: every request is looked up.
    cache_size: how many persons are remembered, those looked up last.
    allow_test: takes test links, made by `links mint`, for links.
    send_alexa_user_id: sends the id of the Alexa user, which the bridge stores as a hash.
    texts: a function of a locale, such as de-DE. Returns a dict with what the skill says to those who are not linked,
        "not_linked", and when nothing is known, "unavailable".
    """

    def __init__(self, endpoint, backend_id, secret, *, timeout=3.0, cache_for=0.0, cache_size=10_000, allow_test=False,
                 send_alexa_user_id=False, texts=None):
        if not backend_id or not secret:
            raise ValueError("the id or the secret of the backend is missing; set it")
        self._url = urllib.parse.urlsplit(endpoint or "")
        if self._url.scheme not in ("http", "https") or not self._url.hostname or self._url.port == 0:
            raise ValueError("the endpoint is not an http or https URL; set that of /lookup")
        _check_types({"timeout": timeout, "cache_for": cache_for, "cache_size": cache_size},
                     {"allow_test": allow_test, "send_alexa_user_id": send_alexa_user_id})
        credentials = f"{urllib.parse.quote_plus(backend_id)}:{urllib.parse.quote_plus(secret)}"  # RFC 6749 §2.3.1
        self._authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
        self._timeout, self._allow_test, self._send_alexa_user_id = timeout, allow_test, send_alexa_user_id
        self._cache_for, self._cache_size, self._texts = cache_for, cache_size, texts or (lambda locale: {})
        self._tls = ssl.create_default_context() if self._url.scheme == "https" else None
        self._lock = threading.Lock()  # of all below
        self._persons = collections.OrderedDict()  # (person, start, until) by key, the one looked up last at the end
        self._running = {}  # calls by key
        self._idle = []  # connections

    def lookup(self, request):
        """Return who sent a request, or raise NotLinked. After any other exception nothing is known about the link.

        Equal lookups at the same time are sent once.
        """
        if not request.token:
            raise NotLinked("the account is not linked: the request has no token")
        form = {"token": request.token}
        if self._send_alexa_user_id and request.alexa_user_id:
            form["alexa_user_id"] = request.alexa_user_id
        body = urllib.parse.urlencode(form, errors="replace").encode()
        key = hashlib.sha256(body).digest()  # keeps no token in memory
        with self._lock:
            person = self._remembered(key)
            if person:
                return person
            call = self._running.get(key)
            if not call:
                call = self._running[key] = self._start(lambda made: self._ask(key, body, request.token, made))
        try:
            return self._wait(call)
        except Unavailable:
            self._forget(key, call)  # it may still run
            raise

    def forward_event(self, event):
        """Send a skill event, such as AlexaSkillEvent.SkillDisabled, to the bridge: parsed, as text, or as bytes.

        It is for a skill on AWS Lambda, where Alexa signs no events, so that the backend vouches for them. When it
        raises, let the function fail, so that Alexa sends the event again.
        """
        text = event if isinstance(event, (str, bytes, bytearray)) else json.dumps(event)
        self._tell("/alexa/events", text.encode() if isinstance(text, str) else text, "application/json")

    def report_disabled(self, link_id):
        """End the link of a person, by its link_id, because Alexa's event gateway answered SKILL_DISABLED_EXCEPTION.

        A link that has ended, or that is unknown, is no error.
        """
        self._tell("/alexa/disabled", urllib.parse.urlencode({"link_id": link_id}).encode(), _FORM)

    def _tell(self, path, body, content_type):
        """Send something to another endpoint of the bridge, whose URL begins as that of /lookup."""
        if not self._url.path.endswith("/lookup"):
            raise Error(f"the endpoint does not end in /lookup, so the URL of {path} is not known")
        url = self._url._replace(path=self._url.path.removesuffix("/lookup") + path)
        status, _ = self._wait(self._start(lambda call: self._post(url, body, content_type, call)))
        if status != 200 and _may_pass(status):
            raise Unavailable(f"the bridge is unavailable: status {status} of {path}")
        if status != 200:
            raise Error(f"status {status} of {path}; the log of the bridge says why")

    def _start(self, ask):
        """Run a function of the call in a thread of its own, and return the call."""
        call = _Call()
        thread = threading.Thread(target=self._run, args=(ask, call), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise Unavailable(f"the bridge is not asked: {error}") from error
        return call

    def _run(self, ask, call):
        try:
            call.result = ask(call)
        except Error as error:
            call.error = error
        except http.client.HTTPException as error:  # its text may have what was received
            call.error = Unavailable(f"the bridge is unavailable: {type(error).__name__}")
        except Exception as error:  # nothing is known, whatever happened
            call.error = Unavailable(f"the bridge is unavailable: {type(error).__name__}: {error}")
        finally:
            call.done.set()

    def _wait(self, call):
        if not call.done.wait(self._timeout):
            call.abort()
            raise Unavailable(f"the bridge is unavailable: no response within {self._timeout} seconds")
        if call.error:
            raise type(call.error)(*call.error.args) from call.error  # every waiter has an exception of its own
        return call.result

    def _ask(self, key, body, token, call):
        try:
            start = time.time()  # the link may end before the response comes
            person = _parse_response(*self._post(self._url, body, _FORM, call), token)
            if person.test and not self._allow_test:
                raise NotLinked("the account is not linked: it is a test link, and allow_test is not set")
            if self._cache_for > 0:
                with self._lock:
                    self._remember(key, person, start)
            return person
        finally:
            self._forget(key, call)

    def _forget(self, key, call):
        with self._lock:
            if self._running.get(key) is call:
                del self._running[key]

    def _post(self, url, body, content_type, call):
        """Return the status and the body of the bridge's response. No redirect is followed."""
        while True:
            connection, reused = self._connection()
            call.connection = connection
            try:
                response = self._send(connection, url, body, content_type)
            except BaseException as error:
                connection.close()
                # The bridge may close a connection while it is idle. A new one shows whether it is there.
                if reused and isinstance(error, ConnectionError):
                    continue
                raise
            try:
                text = response.read(_MAX_RESPONSE + 1)
                if len(text) > _MAX_RESPONSE:
                    raise ValueError("the response is too large")
                if response.length:  # not all of it came
                    raise http.client.IncompleteRead(text, response.length)
            except BaseException:
                connection.close()
                raise
            call.connection = None
            self._release(connection, response)
            return response.status, text

    def _send(self, connection, url, body, content_type):
        path = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
        headers = {"Authorization": self._authorization, "Content-Type": content_type}
        connection.request("POST", path, body, headers)
        return connection.getresponse()

    def _connection(self):
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if _is_quiet(connection.sock):
                    return connection, True
                connection.close()
        host, port = self._url.hostname, self._url.port
        if self._tls:
            made = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)
        else:
            made = http.client.HTTPConnection(host, port, timeout=self._timeout)
        made.response_class = _Response
        return made, False

    def _release(self, connection, response):
        with self._lock:
            if response.status >= 200 and response.isclosed() and connection.sock and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self):
        """Close idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _remembered(self, key):
        person, start, until = self._persons.get(key, (None, 0, 0))
        if not person:
            return None
        if not start <= time.time() < until:  # before the start: the clock was set back
            del self._persons[key]
            return None
        self._persons.move_to_end(key)
        return person

    def _remember(self, key, person, start):
        until = start + self._cache_for
        if person.expires_at is not None:
            until = min(until, person.expires_at)
        self._persons[key] = person, start, until
        self._persons.move_to_end(key)
        if len(self._persons) > self._cache_size:
            self._persons.popitem(last=False)

    def error_response(self, request, error):
        """Return the response to a request for which lookup raised an exception.

        After NotLinked it has a LinkAccount card or INVALID_AUTHORIZATION_CREDENTIAL, after any other exception the
        request to try again later or INTERNAL_ERROR.
        """
        not_linked = isinstance(error, NotLinked)
        if request.kind == "smart home":
            return _smart_home_error(request, not_linked)
        if request.kind == "music":
            return {"header": _error_header("Alexa", "3.0"), "payload": _error_payload(not_linked)}
        return {"version": "1.0", "response": self._spoken_error(request, not_linked) if request.spoken else {}}

    def _spoken_error(self, request, not_linked):
        texts = self._texts(request.locale) or {}
        if not not_linked:
            text = texts.get("unavailable") or "This is not available right now. Please try again later."
            return {"outputSpeech": {"type": "PlainText", "text": text}, "shouldEndSession": True}
        text = texts.get("not_linked") or "Please link your account in the Alexa app."
        speech = {"type": "PlainText", "text": text}
        return {"outputSpeech": speech, "card": {"type": "LinkAccount"}, "shouldEndSession": True}


class _Call:
    """A request that runs in a thread of its own, so that nothing keeps those who wait beyond the timeout."""

    def __init__(self):
        self.done = threading.Event()
        self.result = self.error = self.connection = None

    def abort(self):
        """End a response that comes too slowly. What is not there yet ends by the timeout of the connection."""
        connection = self.connection
        sock = connection.sock if connection else None
        if sock:
            try:
                # Not sock.shutdown, which first ends TLS: what the thread writes then is not encrypted.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already


class _Response(http.client.HTTPResponse):
    """A response that comes after others, such as 103 Early Hints, which http.client takes for the last, but for 100.

    The next lookup would take the last one for its own, and so one person for another.
    """

    def begin(self):
        super().begin()
        while 100 < self.status < 200 and self.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = None
            super().begin()


def _is_quiet(sock):
    """Return whether nothing came on an idle connection: not its end, and no response that nobody asked for."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return not selector.select(0)


def _check_types(numbers, booleans):
    """Raise ValueError unless options have their types. Text of the environment has not: "no" counts as true."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise ValueError(f"{name} is not a number that is 0 or more; correct it")
    for name, value in booleans.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} is not a boolean; set True or False")
    if not numbers["timeout"]:
        raise ValueError("timeout is 0, which lets no lookup succeed; correct it")


def parse_request(event):
    """Read a request of Alexa to a custom, smart home or music skill: as text, as bytes, or parsed already.

    ValueError means that it is none of these; then nothing is known about the link.
    """
    try:
        if isinstance(event, (str, bytes, bytearray)):
            event = _parse_json(event)
        if _text(event, "directive", "header", "namespace"):
            return _smart_home_request(event)
        if _text(event, "header", "namespace"):
            return _music_request(event)
        if _text(event, "request", "type"):
            return _custom_request(event)
    except ValueError as error:
        raise ValueError(f"this is not a request of Alexa: {error}") from None  # a cause would have the body
    raise ValueError("this is not a request of Alexa: it has neither request.type nor a directive")


def _custom_request(event):
    system, session = ("context", "System"), ("session",)
    account = _first(_text(event, *system, "user", "accessToken"), _text(event, *session, "user", "accessToken"))
    token = _first(_text(event, *system, "person", "accessToken"), account)
    user_id = _first(_text(event, *system, "user", "userId"), _text(event, *session, "user", "userId"))
    return Request(
        kind="custom", type=_text(event, "request", "type"), locale=_text(event, "request", "locale"),
        token=token,
        alexa_user_id=user_id if token == account else "",  # it is that of the account, and not of another person
        skill_id=_first(_text(event, *system, "application", "applicationId"),
                        _text(event, *session, "application", "applicationId")),
    )


def _smart_home_request(event):
    header = "directive", "header"
    return Request(
        kind="smart home", type=_text(event, *header, "namespace") + "." + _text(event, *header, "name"),
        token=_first(_text(event, "directive", "endpoint", "scope", "token"),
                     _text(event, "directive", "payload", "scope", "token"),
                     _text(event, "directive", "payload", "grantee", "token")),
        correlation_token=_text(event, *header, "correlationToken"),
        endpoint_id=_text(event, "directive", "endpoint", "endpointId"),
    )


def _music_request(event):
    user = "payload", "requestContext", "user"
    return Request(
        kind="music", type=_text(event, "header", "namespace") + "." + _text(event, "header", "name"),
        token=_text(event, *user, "accessToken"), alexa_user_id=_text(event, *user, "userId"),
    )


def _text(value, *path):
    """Return a text inside a dict, "" if it is not there. Raise ValueError if something else is, as in a forgery."""
    for name in path:
        value = {} if value is None else value
        if not isinstance(value, dict):
            raise ValueError("it has another value where an object must be")
        value = value.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{path[-1]} is not text")
    return value or ""


def _first(*texts):
    """Return the first text that is not empty, or ""."""
    return next(filter(None, texts), "")


def _parse_json(data):
    """Return the value of JSON, as text or in UTF-8. Raise ValueError, with nothing of the data, if it is none."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        return json.loads(text, parse_constant=int)  # raises ValueError for NaN and the like, which are no JSON
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON in UTF-8") from None


def _parse_response(status, body, token):
    """Return a Person, or raise. Only a bridge says that a link has ended: the page of a proxy does not."""
    try:
        response = _parse_json(body)
    except ValueError:
        response = None
    if status != 200:
        raise _status_error(status, response if isinstance(response, dict) else {}, token)
    if not _is_bridge_response(response):
        raise Unavailable("the bridge is unavailable: the response is not that of a bridge")
    if not response["active"]:
        raise NotLinked("the account is not linked: the token is not active")
    return Person(
        upstream_iss=response["upstream_iss"], subject=response["sub"], claims=response.get("claims") or {},
        link_id=response.get("link_id") or "", client_id=response.get("client_id") or "",
        provider=response.get("provider") or "", scope=response.get("scope") or "", issuer=response.get("iss") or "",
        issued_at=int(response.get("iat") or 0), expires_at=int(response.get("exp") or 0) or None,
        test=response.get("test") is True,
    )


def _is_bridge_response(response):
    if not isinstance(response, dict) or not isinstance(response.get("active"), bool):
        return False
    if not response["active"]:
        return True
    texts = [response.get(name) for name in ("sub", "upstream_iss", "iss", "client_id", "scope", "link_id", "provider")]
    return bool(
        texts[0] and texts[1] and all(isinstance(text, str | None) for text in texts)
        and _is_time(response.get("iat")) and _is_time(response.get("exp"))
        and isinstance(response.get("claims"), dict | None) and isinstance(response.get("test"), bool | None))


def _is_time(value):
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        return False
    return value is None or 0 <= value <= _MAX_TIME and value == int(value)


def _may_pass(status):
    """Return whether what a status says may be otherwise soon."""
    return status >= 500 or status in (408, 429) or status < 400


def _status_error(status, response, token):
    if _may_pass(status):
        return Unavailable(f"the bridge is unavailable: status {status}")
    code, description = (_clean(response.get(name), token) for name in ("error", "error_description"))
    return Error(f"status {status}: {code!r}: {description!r}")


def _clean(text, token):
    """Make what a server wrote fit for a log: not long, and without the token, which some servers send back."""
    text = text if isinstance(text, str) else ""
    for form in (token, urllib.parse.quote_plus(token, errors="replace")):
        text = text.replace(form, "[removed]")
    return text[:200]


def _error_payload(not_linked):
    """Return what the smart home and the music API want. After INVALID_… Amazon deletes the link."""
    if not_linked:
        return {"type": "INVALID_AUTHORIZATION_CREDENTIAL", "message": "The account is not linked."}
    return {"type": "INTERNAL_ERROR", "message": "It is not known whether the account is linked. Try again later."}


def _error_header(namespace, version):
    return {"namespace": namespace, "name": "ErrorResponse", "messageId": str(uuid.uuid4()), "payloadVersion": version}


def _smart_home_error(request, not_linked):
    grants = request.type == "Alexa.Authorization.AcceptGrant"
    header = _error_header("Alexa.Authorization" if grants else "Alexa", "3")
    payload = _error_payload(not_linked)
    if grants:
        payload["type"] = "ACCEPT_GRANT_FAILED"
    if request.correlation_token:
        header["correlationToken"] = request.correlation_token
    event = {"header": header, "payload": payload}
    if request.endpoint_id:
        event["endpoint"] = {"endpointId": request.endpoint_id}
    return {"event": event}
