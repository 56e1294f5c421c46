package httperror_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/limit"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/templates"
)

func TestRespond(t *testing.T) {
	pages, err := templates.New(nil, templates.Operator{})
	if err != nil {
		t.Fatal(err)
	}
	both := &httperror.Error{
		Message: "not linked", Level: slog.LevelWarn, Reason: "why", Err: errors.New("the cause"),
		OAuth: oauth.Errorf(oauth.TemporarilyUnavailable, "Try again."), Status: http.StatusForbidden,
		Page: templates.ErrorData{Page: templates.PageForeignPost}, Header: http.Header{"Set-Cookie": {"a=b"}},
	}
	redirect := &httperror.Error{Location: "https://alexa.example/#error=access_denied"}
	for _, tt := range []struct {
		name       string
		audience   httperror.Audience
		err        error
		status     int
		body       string
		log        string
		retryAfter string
	}{
		{"page", httperror.People, both, 403, "REFERENCE",
			`msg="not linked" ref=REFERENCE route=/route status=403 address=192.0.2.1 reason=why error="the cause"`, ""},
		{"JSON", httperror.Programs, both, 503, `"error":"temporarily_unavailable"`, "reason=why", "2"},
		{"redirect", httperror.People, redirect, 303, "", `msg="request rejected"`, ""},
		{"OAuth error", httperror.Programs, oauth.ErrFormTooLarge, 413, `"reference":"REFERENCE"`,
			"reason=invalid_request", ""},
		{"another error for people", httperror.People, errors.New("secret"), 500, "REFERENCE", "level=ERROR", ""},
		{"another error for programs", httperror.Programs, errors.New("secret"), 500, `"error":"server_error"`,
			"level=ERROR", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			responder := &httperror.Responder{
				Pages: pages, Log: slog.New(slog.NewTextHandler(&log, nil)), Sampler: httperror.NewSampler(time.Now),
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			w := httptest.NewRecorder()
			responder.Respond(w, r.WithContext(reference.NewContext(r.Context(), "REFERENCE")), "/route", tt.audience, tt.err)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) ||
				w.Header().Get("Retry-After") != tt.retryAfter {
				t.Errorf("status %d, header %v, body %s", w.Code, w.Header(), w.Body)
			}
			if strings.Contains(w.Body.String(), "cause") || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the response says the cause: %s", w.Body)
			}
			if !strings.Contains(log.String(), tt.log) || (tt.log == "") != (log.Len() == 0) {
				t.Errorf("log %s", log.String())
			}
			if tt.err == both && w.Header().Get("Set-Cookie") != "a=b" {
				t.Error("the header of the error is missing")
			}
			if tt.err == redirect && w.Header().Get("Location") != redirect.Location {
				t.Error("no redirect")
			}
		})
	}
}

// TestPacedRejections responds to more requests than may be rejected at once. Only rejections wait, and what anybody
// can cause: neither an outage nor a redirect does.
func TestPacedRejections(t *testing.T) {
	pages, err := templates.New(nil, templates.Operator{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		err   error
		waits bool
	}{
		{"rejection", httperror.TooMany(time.Second, errors.New("too many")), true},
		{"outage", oauth.Errorf(oauth.TemporarilyUnavailable, "Try again."), false},
		{"unverified", &httperror.Error{Unverified: true, Status: http.StatusServiceUnavailable,
			Page: templates.ErrorData{Page: templates.PageInternal}, OAuth: oauth.Errorf(oauth.TemporarilyUnavailable, "")},
			true},
		{"redirect", &httperror.Error{Location: "https://alexa.example/#error=access_denied"}, false},
	} {
		for _, audience := range []httperror.Audience{httperror.People, httperror.Programs} {
			if tt.name == "redirect" && audience == httperror.Programs {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				responder := &httperror.Responder{
					Pages: pages, Log: slog.New(slog.DiscardHandler), Sampler: httperror.NewSampler(time.Now),
					Rejections: limit.NewPace(1, 5*time.Second),
				}
				started := time.Now()
				for range 3 {
					r := httptest.NewRequest(http.MethodGet, "/", nil)
					responder.Respond(httptest.NewRecorder(), r, "/route", audience, tt.err)
				}
				if waited := time.Since(started); (waited == 2*time.Second) != tt.waits || (waited == 0) == tt.waits {
					t.Errorf("%s: waited %v", tt.name, waited)
				}
			})
		}
	}
}
