package oauth_test

import (
	"bytes"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/internal/oauth"
)

func FuzzReadForm(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", "a=b&a=c&%zz")
	f.Add("application/x-www-form-urlencoded; charset=UTF-8", "token=x;y")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		request := httptest.NewRequest("POST", "/?a=smuggled&token=smuggled", strings.NewReader(body))
		request.Header.Set("Content-Type", contentType)
		form, err := oauth.ReadForm(request)
		if err == nil && len(body) > oauth.MaxFormBytes {
			t.Error("more than MaxFormBytes was read")
		}
		for name := range form {
			if !strings.Contains(body, "smuggled") && slices.Contains(form[name], "smuggled") {
				t.Error("the query of the URL was read")
			}
		}
	})
}

// Credentials come from the header or the form, never from a mixture that neither says.
func FuzzReadCredentials(f *testing.F) {
	f.Add("Basic cGl6emE6c2VjcmV0", "pizza", "")
	f.Add("basic cGl6emE6", "", "secret")
	f.Add("Bearer x", "pizza", "secret")
	f.Add("Basic %", "\x00", "a+b%2f")
	f.Fuzz(func(t *testing.T, authorization, id, secret string) {
		request := httptest.NewRequest("POST", "/token", nil)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		form := url.Values{"client_id": {id}, "client_secret": {secret}}
		c, err := oauth.ReadCredentials(request, form)
		if err != nil {
			return
		}
		basicID, basicSecret, _ := request.BasicAuth()
		if !c.Header && (c.ID != id || c.Secret != secret) || c.Header && (c.ID != basicID || c.Secret != basicSecret) {
			t.Errorf("%q, %q, %q: %+v", authorization, id, secret, c)
		}
		if c.Header && id != "" && id != c.ID && id != c.DecodedID {
			t.Errorf("two client ids are accepted: %q and %q", id, c.ID)
		}
	})
}

func TestReadFormBodySize(t *testing.T) {
	for size, want := range map[int]error{oauth.MaxFormBytes: nil, oauth.MaxFormBytes + 1: oauth.ErrFormTooLarge} {
		for _, length := range []int64{int64(size), -1} {
			request := httptest.NewRequest("POST", "/lookup", bytes.NewReader(make([]byte, size)))
			request.ContentLength = length
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			body, err := oauth.ReadFormBody(request, nil)
			if err != want || err == nil && len(body) != size {
				t.Errorf("%d bytes, length %d: got %d bytes, %v", size, length, len(body), err)
			}
		}
	}
}
