package oauth_test

import (
	"net/http/httptest"
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
			t.Error("too much was read")
		}
		for name := range form {
			if !strings.Contains(body, "smuggled") && slices.Contains(form[name], "smuggled") {
				t.Error("the URL was read")
			}
		}
	})
}
