"""Tests of the kit: python3 -m unittest"""

import base64
import collections
import contextlib
import http.server
import json
import pathlib
import select
import socket
import ssl
import threading
import time
import traceback
import unittest
import unittest.mock
import urllib.parse

import lookup

CASES = json.loads(
    pathlib.Path(__file__).parents[2].joinpath("bridge/lookup/testdata/cases.json").read_text(encoding="utf-8"))


class Bridge(http.server.ThreadingHTTPServer):
    """A bridge that responds by a function of the handler and the form."""

    daemon_threads = True

    def __init__(self, respond):
        self.respond, self.asked, self.connections, self.clients = respond, [], 0, []
        self.stopped = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request, client_address):
        pass  # the client may close a connection at any time

    def client(self, **options):
        made = lookup.Client(f"http://127.0.0.1:{self.server_port}/lookup", options.pop("backend_id", "a"),
                             options.pop("secret", "b"), **options)
        self.clients.append(made)
        return made


Asked = collections.namedtuple("Asked", "path headers body form")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.requests = 0
        self.server.connections += 1

    def do_POST(self):
        self.requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(body))
        self.server.asked.append(Asked(self.path, dict(self.headers), body, form))
        self.server.respond(self, form)

    def reply(self, status, body="", headers=()):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def bridge(respond):
    with Bridge(respond) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            for client in server.clients:
                client.close()
            server.shutdown()
            thread.join()


def request(token, alexa_user_id=""):
    return lookup.Request("custom", "LaunchRequest", token, alexa_user_id)


def person(subject, exp=0):
    return json.dumps({"active": True, "sub": subject, "upstream_iss": "https://login.example.com", "exp": exp})


def outcome(client, token, alexa_user_id=""):
    try:
        client.lookup(request(token, alexa_user_id))
        return "active"
    except lookup.NotLinked:
        return "not linked"
    except lookup.Error:
        return "unknown"


def bytes_of(case):
    """Return the body of a case."""
    return (case["body"] + " " * case.get("spaces", 0)).encode() + base64.b64decode(case.get("base64", ""))


class Cases(unittest.TestCase):
    maxDiff = None

    def test_lookups(self):
        for case in CASES["lookups"]:
            def respond(handler, form, case=case):
                if case.get("fault") == "reset":
                    handler.reset()
                elif case.get("fault") == "timeout":
                    handler.server.stopped.wait()
                else:
                    if case.get("fault") == "interim":
                        handler.wfile.write(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n")
                    location = [("Location", case["location"])] if "location" in case else []
                    handler.reply(case["status"], bytes_of(case), location)
            with self.subTest(case["name"]), bridge(respond) as server:
                client = server.client(allow_test=case.get("allow_test", False),
                                       timeout=0.05 if case.get("fault") == "timeout" else 3)
                self.assertEqual(outcome(client, "token"), case["outcome"])

    def test_requests(self):
        for case in CASES["requests"]:
            text = json.dumps(case["request"])
            for event in (case["request"], text, text.encode()):
                with self.subTest(case["name"]):
                    got = lookup.parse_request(event)
                    self.assertEqual((got.kind, got.token, got.alexa_user_id),
                                     (case["kind"], case["token"], case["alexa_user_id"]))
        for case in CASES["not_requests"]:
            with self.subTest(case["name"]), self.assertRaises(ValueError):
                lookup.parse_request(bytes_of(case))

    def test_error_responses(self):
        client = lookup.Client("http://127.0.0.1:1/lookup", "a", "b")
        errors = {"not linked": lookup.NotLinked(), "unknown": KeyError("a mistake in the skill")}
        for case in CASES["responses"]:
            with self.subTest(case["name"]):
                got = client.error_response(lookup.parse_request(case["request"]), errors[case["outcome"]])
                header = got.get("event", got).get("header", {})
                if header.get("messageId"):
                    header["messageId"] = "*"
                self.assertEqual(got, case["response"])


class ClientTest(unittest.TestCase):
    def test_what_is_sent_and_returned(self):
        answer = json.dumps({
            "active": True, "sub": "ada", "upstream_iss": "https://login.example.com",
            "iss": "https://link.example.com", "client_id": "pizza", "scope": "orders", "iat": 1795219200,
            "exp": 1795222800, "link_id": "lnk_1",
            "provider": "corp", "claims": {"name": "Ada", "groups": ["a"]}})
        for sends in (False, True):
            with bridge(lambda handler, form: handler.reply(200, answer)) as server:
                client = server.client(backend_id="back/end", secret="s: %", send_alexa_user_id=sends)
                found = client.lookup(request("a+b /c", "amzn1.ask.account.ADA"))
                _, headers, _, form = server.asked[0]
            self.assertEqual(found, lookup.Person(
                "https://login.example.com", "ada", {"name": "Ada", "groups": ["a"]}, "lnk_1", "pizza",
                "corp", "orders", "https://link.example.com", 1795219200, 1795222800, False))
            self.assertEqual((found.key, found.claim("name"), found.claim("groups"), found.claim("email")),
                             ("https://login.example.com ada", "Ada", "", ""))
            self.assertEqual(headers["Content-Type"], "application/x-www-form-urlencoded")
            self.assertEqual(base64.b64decode(headers["Authorization"].removeprefix("Basic ")), b"back%2Fend:s%3A+%25")
            self.assertEqual(form, {"token": "a+b /c"} | ({"alexa_user_id": "amzn1.ask.account.ADA"} if sends else {}))

    def test_errors_say_what_is_wrong(self):
        for status, body, kind, text in (
            (401, '{"error":"invalid_client","error_description":"wrong"}', lookup.Error,
             "status 401: 'invalid_client': 'wrong'"),
            (400, json.dumps({"error": "token=a+%2F", "error_description": "a /" + "é" * 100_000}), lookup.Error,
             r"^status 400: 'token=\[removed\]': '\[removed\]é{10,200}'$"),
            (201, "", lookup.Unavailable, "status 201"), (408, "", lookup.Unavailable, "status 408"),
            (404, "", lookup.Error, "status 404"), (429, "", lookup.Unavailable, "status 429"),
            (503, "", lookup.Unavailable, "status 503"), (302, "", lookup.Unavailable, "status 302"),
            (200, "<html>", lookup.Unavailable, "not that of a bridge"),
            (200, "[" * 100_000, lookup.Unavailable, "not that"),
            (200, json.dumps({"active": False, "more": "x" * (1 << 20)}), lookup.Unavailable, "too large"),
        ):
            with self.subTest(text), bridge(lambda handler, form: handler.reply(status, body)) as server:
                with self.assertRaisesRegex(lookup.Error, text) as caught:
                    server.client().lookup(request("a /"))
                self.assertIs(type(caught.exception), kind)

    def test_no_token(self):
        with bridge(lambda handler, form: None) as server:
            self.assertEqual(outcome(server.client(), ""), "not linked")
            self.assertEqual(server.asked, [])

    def test_no_bridge(self):
        with bridge(lambda handler, form: None) as server:
            client = server.client()
        with self.assertRaises(lookup.Unavailable):
            client.lookup(request("token"))

    def test_options(self):
        for endpoint, backend_id, secret in (
            ("https://link.example.com/lookup", "a", None), ("https://link.example.com/lookup", "", "b"),
            (None, "a", "b"), ("lookup", "a", "b"), ("ftp://link.example.com/lookup", "a", "b"),
            ("https://link.example.com:99999/lookup", "a", "b"),
        ):
            with self.assertRaises(ValueError):
                lookup.Client(endpoint, backend_id, secret)
        # What comes from the environment is text, and "no" counts as true.
        for option in ({"allow_test": "no"}, {"send_alexa_user_id": ""}, {"cache_for": "60"},
                       {"cache_for": float("nan")}, {"cache_size": None}, {"timeout": "3"}, {"timeout": -1},
                       {"timeout": 0}, {"timeout": True}):
            with self.subTest(option), self.assertRaisesRegex(ValueError, next(iter(option))):
                lookup.Client("https://link.example.com/lookup", "a", "b", **option)

    def test_texts(self):
        client = lookup.Client("http://127.0.0.1:1/lookup", "a", "b",
                               texts=lambda locale: {"not_linked": "Link it."} if locale == "en-US" else None)
        for locale, error, want in (
            ("en-US", lookup.NotLinked(), "Link it."),
            ("de-DE", lookup.NotLinked(), "Please link your account in the Alexa app."),
            ("en-US", ValueError(), "This is not available right now. Please try again later."),
        ):
            event = {"request": {"type": "LaunchRequest", "locale": locale}}
            got = client.error_response(lookup.parse_request(event), error)
            self.assertEqual(got["response"]["outputSpeech"]["text"], want)

    def test_a_response_that_does_not_end(self):
        def respond(handler, form):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{")
            with contextlib.suppress(OSError):
                while not handler.server.stopped.wait(0.01):  # never so slow that a read times out
                    handler.wfile.write(b" ")
            handler.close_connection = True
        with bridge(respond) as server:
            with self.assertRaisesRegex(lookup.Unavailable, "no response within 0.05 seconds"):
                server.client(timeout=0.05).lookup(request("token"))

    def test_a_truncated_response(self):
        def respond(handler, form):
            handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"active":false}')
            handler.reset()
        with bridge(respond) as server:
            with self.assertRaises(lookup.Unavailable):
                server.client().lookup(request("token"))

    def test_a_large_response_in_chunks(self):
        def respond(handler, form):
            body = b'{"active":false}' + b" " * (1 << 20)
            with contextlib.suppress(OSError):
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body))
                handler.wfile.write(body + b"\r\n3\r\nend\r\n0\r\n\r\n")
        with bridge(respond) as server, self.assertRaisesRegex(lookup.Unavailable, "too large"):
            server.client().lookup(request("token"))

    def test_what_is_not_http_is_not_in_the_error(self):
        def respond(handler, form):
            handler.wfile.write(b"token=aob_at_0123456789\r\n\r\n")
            handler.close_connection = True
        with bridge(respond) as server, self.assertRaises(lookup.Unavailable) as caught:
            server.client().lookup(request("aob_at_0123456789"))
        self.assertNotIn("aob", "".join(traceback.format_exception(caught.exception)))

    def test_errors_of_parsing_have_nothing_of_the_body(self):
        for body in ("aob_at_0123", '{"accessToken":"aob_at_0123"x}', b'{"accessToken":"aob_at_0123\xff"}'):
            with self.assertRaises(ValueError) as caught:
                lookup.parse_request(body)
            self.assertNotIn("aob", "".join(traceback.format_exception(caught.exception)))

    def test_a_token_that_is_not_unicode(self):
        with bridge(lambda handler, form: handler.reply(200, '{"active":false}')) as server:
            event = r'{"request":{"type":"LaunchRequest"},"context":{"System":{"user":{"accessToken":"\ud800"}}}}'
            with self.assertRaises(lookup.NotLinked):
                server.client().lookup(lookup.parse_request(event))

    def test_responses_that_nobody_asked_for(self):
        """They would be taken for the response to the next lookup, and so one person for another."""
        body = person("somebody else").encode()
        for other in (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
                      b"HTTP/1.1 101 Switching Protocols\r\n\r\n"):
            handlers = []

            def respond(handler, form):
                handlers.append(handler)
                handler.reply(200, person(form["token"]))
            with self.subTest(other), bridge(respond) as server:
                client = server.client()
                for token in ("a", "b", "c"):
                    self.assertEqual(client.lookup(request(token)).subject, token)
                    handlers[-1].wfile.write(other)
                    select.select([connection.sock for connection in client._idle], [], [], 10)  # until it has arrived
                self.assertEqual(server.connections, 3)

    def test_a_response_that_switches_the_protocol(self):
        def respond(handler, form):
            if form["token"] == "a":
                handler.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            else:
                handler.reply(200, person(form["token"]))
        with bridge(respond) as server:
            client = server.client()
            self.assertEqual(outcome(client, "a"), "unknown")
            self.assertEqual(client.lookup(request("b")).subject, "b")
            self.assertEqual(server.connections, 2)

    def test_no_thread_can_be_started(self):
        with bridge(lambda handler, form: handler.reply(200, person("ada"))) as server:
            client = server.client()
            start = unittest.mock.Mock(side_effect=RuntimeError("can't start new thread"))
            with unittest.mock.patch.object(lookup.threading, "Thread", lambda **_: unittest.mock.Mock(start=start)):
                with self.assertRaises(lookup.Unavailable):
                    client.lookup(request("token"))
            self.assertEqual(client.lookup(request("token")).subject, "ada")

    def test_a_lookup_of_a_name_that_hangs(self):
        """Python cannot end it. The next lookup does not wait for it."""
        end, real = threading.Event(), socket.getaddrinfo
        self.addCleanup(end.set)

        def hang(*args):
            end.wait()
            return real(*args)
        with bridge(lambda handler, form: handler.reply(200, person("ada"))) as server:
            client = server.client(timeout=0.5)
            with unittest.mock.patch.object(socket, "getaddrinfo", hang):
                self.assertEqual(outcome(client, "token"), "unknown")
            self.assertEqual(outcome(client, "token"), "active")
            end.set()

    def test_giving_up_does_not_end_encryption(self):
        """It would let the thread that sends the token go on without."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            context = ssl.create_default_context()
            with context.wrap_socket(ours, server_hostname="a", do_handshake_on_connect=False) as encrypted:
                call = lookup._Call()
                call.connection = unittest.mock.Mock(sock=encrypted)
                call.abort()
                self.assertIsNotNone(encrypted._sslobj)
                self.assertEqual(theirs.recv(1), b"")

    def test_connections(self):
        drop = threading.Event()

        def respond(handler, form):
            if drop.is_set() and handler.requests > 1:
                handler.reset()  # as a bridge that closed the idle connection before the request arrived
                return
            handler.reply(200, person("ada"))
        with bridge(respond) as server:
            client = server.client()
            for _ in range(3):
                client.lookup(request("token"))
            self.assertEqual(server.connections, 1)
            drop.set()
            client.lookup(request("token"))
            self.assertEqual((server.connections, len(server.asked)), (2, 5))

    def test_equal_lookups_at_once(self):
        arrived = threading.Semaphore(0)

        class Waiters(threading.Event):
            def wait(self, timeout=None):
                arrived.release()
                return super().wait(timeout)

        class Call(lookup._Call):
            def __init__(self):
                super().__init__()
                self.done = Waiters()

        def respond(handler, form):
            if form["token"] == "a":
                for _ in range(3):
                    arrived.acquire()
            handler.reply(200, person(form["token"]))
        got = []
        with bridge(respond) as server, unittest.mock.patch.object(lookup, "_Call", Call):
            client = server.client(timeout=30)
            ask = lambda: got.append(client.lookup(request("a")).subject)
            threads = [threading.Thread(target=ask) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual((got, len(server.asked)), (["a", "a", "a"], 1))
            client.lookup(request("b"))
            client.lookup(request("b"))  # nothing is remembered
            self.assertEqual(len(server.asked), 3)


class TellTest(unittest.TestCase):
    def test_an_event_is_forwarded_and_a_disabled_skill_reported(self):
        event = {"request": {"type": "AlexaSkillEvent.SkillDisabled", "requestId": "ä"}}
        text = json.dumps(event, ensure_ascii=False)
        with bridge(lambda handler, form: handler.reply(200)) as server:
            client = server.client()
            client.forward_event(event)
            client.forward_event(f" {text}\n")
            client.forward_event(text.encode())
            client.report_disabled("lnk_a&b")
            self.assertEqual([(path, body, headers["Content-Type"]) for path, headers, body, _ in server.asked], [
                ("/alexa/events", json.dumps(event), "application/json"),
                ("/alexa/events", f" {text}\n", "application/json"),
                ("/alexa/events", text, "application/json"),
                ("/alexa/disabled", "link_id=lnk_a%26b", "application/x-www-form-urlencoded"),
            ])
            self.assertEqual({asked.headers["Authorization"] for asked in server.asked}, {"Basic YTpi"})

    def test_what_the_bridge_is_told_may_fail(self):
        for status, kind in ((201, lookup.Unavailable), (302, lookup.Unavailable), (400, lookup.Error),
                             (401, lookup.Error), (429, lookup.Unavailable), (503, lookup.Unavailable)):
            def respond(handler, form):
                handler.reply(status, '{"error":"the-event"}')
            with self.subTest(status), bridge(respond) as server:
                with self.assertRaisesRegex(lookup.Error, f"status {status} of /alexa/events") as caught:
                    server.client().forward_event({"request": "the-event"})
                self.assertIs(type(caught.exception), kind)
                self.assertNotIn("the-event", "".join(traceback.format_exception(caught.exception)))
                self.assertEqual(len(server.asked), 1)

    def test_what_is_not_http_is_not_in_the_error(self):
        def respond(handler, form):
            handler.wfile.write(b"the-event\r\n\r\n")
            handler.close_connection = True
        with bridge(respond) as server, self.assertRaises(lookup.Unavailable) as caught:
            server.client().forward_event({"request": "the-event"})
        self.assertNotIn("the-event", "".join(traceback.format_exception(caught.exception)))

    def test_no_response_in_time(self):
        with bridge(lambda handler, form: handler.server.stopped.wait()) as server:
            with self.assertRaises(lookup.Unavailable):
                server.client(timeout=0.05).report_disabled("lnk_a")

    def test_an_endpoint_that_is_not_lookup(self):
        client = lookup.Client("http://127.0.0.1:1/lookups", "a", "b")
        with self.assertRaisesRegex(lookup.Error, "does not end in /lookup"):
            client.report_disabled("lnk_a")


class CacheTest(unittest.TestCase):
    def setUp(self):
        self.now = time.time()
        clock = unittest.mock.patch("lookup.time.time", lambda: self.now)
        clock.start()
        self.addCleanup(clock.stop)

    def respond(self, handler, form):
        match form["token"]:
            case "outage":
                handler.reply(503)
            case "ended":
                handler.reply(200, '{"active":false}')
            case "expires":
                handler.reply(200, person("ada", self.expires))
            case _:
                handler.reply(200, person("ada"))

    def test_cache(self):
        self.expires = int(self.now) + 20
        with bridge(self.respond) as server:
            def want_asked(client, want, *tokens):
                server.asked.clear()
                for token in tokens:
                    outcome(client, token)
                self.assertEqual(len(server.asked), want, tokens)
            want_asked(server.client(), 2, "ada", "ada")  # by default nothing is remembered
            client = server.client(cache_for=60)
            want_asked(client, 2, "ada", "expires", "ada", "expires")
            want_asked(client, 4, "ended", "outage", "ended", "outage")  # what is not a person is never remembered
            self.now += 20
            want_asked(client, 0, "ada")
            want_asked(client, 1, "expires")  # not beyond the end of its token
            self.now += 40
            want_asked(client, 1, "ada")
            want_asked(server.client(cache_for=60, cache_size=2), 4, "a", "b", "a", "c", "a", "c", "b")

    def test_a_clock_that_is_set_back(self):
        with bridge(self.respond) as server:
            client = server.client(cache_for=60)
            client.lookup(request("ada"))
            self.now -= 3600
            client.lookup(request("ada"))
            self.assertEqual(len(server.asked), 2)

    def test_remembers_since_the_request(self):
        """The link may have ended before the response came."""
        def respond(handler, form):
            self.now += 2
            handler.reply(200, person("ada"))
        with bridge(respond) as server:
            client = server.client(cache_for=10)
            client.lookup(request("ada"))
            self.now += 8
            client.lookup(request("ada"))
            self.assertEqual(len(server.asked), 2)

    def test_cache_distinguishes_alexa_users(self):
        with bridge(self.respond) as server:
            client = server.client(cache_for=60, send_alexa_user_id=True)
            for user in ("a", "b", "a", ""):
                client.lookup(request("token", user))
            self.assertEqual(len(server.asked), 3)


if __name__ == "__main__":
    unittest.main()
