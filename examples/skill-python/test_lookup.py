"""Tests of the kit: python3 -m unittest"""

import base64
import contextlib
import http.server
import json
import pathlib
import threading
import time
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

    def client(self, **options):
        made = lookup.Client(f"http://127.0.0.1:{self.server_port}/lookup", options.pop("backend_id", "a"),
                             options.pop("secret", "b"), **options)
        self.clients.append(made)
        return made


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.requests = 0
        self.server.connections += 1

    def do_POST(self):
        self.requests += 1
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.server.asked.append((dict(self.headers), form))
        self.server.respond(self, form)

    def reply(self, status, body="", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

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
                    location = [("Location", case["location"])] if "location" in case else []
                    handler.reply(case["status"], case["body"], location)
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
                lookup.parse_request(case["body"])

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
                headers, form = server.asked[0]
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
            (404, "", lookup.Error, "status 404"), (429, "", lookup.Unavailable, "status 429"),
            (503, "", lookup.Unavailable, "status 503"), (302, "", lookup.Unavailable, "status 302"),
            (200, "<html>", lookup.Unavailable, "not that of a bridge"),
            (200, "[" * 100_000, lookup.Unavailable, "not that"),
            (200, json.dumps({"active": False, "more": "x" * (1 << 20)}), lookup.Unavailable, "IncompleteRead"),
        ):
            with self.subTest(text), bridge(lambda handler, form: handler.reply(status, body)) as server:
                with self.assertRaisesRegex(lookup.Error, text) as caught:
                    server.client().lookup(request("token"))
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
        ):
            with self.assertRaises(ValueError):
                lookup.Client(endpoint, backend_id, secret)

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

    def test_cache_distinguishes_alexa_users(self):
        with bridge(self.respond) as server:
            client = server.client(cache_for=60, send_alexa_user_id=True)
            for user in ("a", "b", "a", ""):
                client.lookup(request("token", user))
            self.assertEqual(len(server.asked), 3)


if __name__ == "__main__":
    unittest.main()
