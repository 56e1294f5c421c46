"""A custom skill that says hello to the person who speaks.

On AWS Lambda the handler is skill.handler. `python3 skill.py` serves it on this machine, for tests: it does not verify
that Alexa sent a request, since the standard library cannot.
"""

import http.server
import json
import logging
import os

import lookup

_MAX_REQUEST = 1 << 20  # bytes

client = lookup.Client(
    os.environ.get("LOOKUP_URL"),  # https://link.example.com/lookup
    os.environ.get("BACKEND_ID"),
    os.environ.get("BACKEND_SECRET"),
    allow_test=os.environ.get("ALLOW_TEST_LINKS") == "yes",  # leave it out where people link
)


def handler(event, context):
    """Respond to a request of Alexa."""
    request = lookup.parse_request(event)
    if request.type.startswith("AlexaSkillEvent."):  # that somebody linked or disabled the skill concerns the bridge
        client.forward_event(event)
    if not request.spoken:  # such as the end of a session
        return {"version": "1.0", "response": {}}
    try:
        person = client.lookup(request)
    except lookup.Error as error:
        if not isinstance(error, lookup.NotLinked):
            logging.error("lookup failed: %s", error)
        return client.error_response(request, error)
    return say(f"Hello {person.claim('name')}")  # person.key is who it is, for a database


def say(text):
    """Return a response that speaks."""
    speech = {"type": "PlainText", "text": text}
    return {"version": "1.0", "response": {"outputSpeech": speech, "shouldEndSession": True}}


class _Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= _MAX_REQUEST:
            self.send_error(413)
            return
        try:
            response = handler(self.rfile.read(length), None)
        except ValueError:
            self.send_error(400, "This is not a request of Alexa")
            return
        except lookup.Error as error:
            logging.error("event not forwarded: %s", error)
            self.send_error(503, "The event could not be forwarded")
            return
        body = json.dumps(response).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), _Server)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
