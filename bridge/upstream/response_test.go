package upstream_test

import (
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

func TestResponse(t *testing.T) {
	const refused, unavailable = "misconfigured at response", "out of reach at response"
	tests := []struct {
		name     string
		response upstream.Response
		want     string
	}{
		{"a code", upstream.Response{Code: code}, ""},
		{"nothing", upstream.Response{}, refused},
		{"a description only", upstream.Response{ErrorDescription: "oops"}, refused},
		{"the person cancels", upstream.Response{Error: "access_denied"}, "refused at response"},
		{"a login is needed", upstream.Response{Error: "login_required"}, "refused at response"},
		{"an error nobody knows", upstream.Response{Error: "custom"}, refused},
		{"a code and an error", upstream.Response{Code: code, Error: "access_denied"}, "refused at response"},
		{"an overload", upstream.Response{Error: "temporarily_unavailable"}, unavailable},
		{"a sign-in that Keycloak has forgotten", upstream.Response{Error: "temporarily_unavailable",
			ErrorDescription: "authentication_expired"}, "outdated at response"},
		{"a failure", upstream.Response{Error: "server_error"}, unavailable},
		{"an embedded browser", upstream.Response{Error: "disallowed_useragent"}, "embedded browser at response"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, receives(tt.response))
			_, err := f.identify(t)
			wantKind(t, err, tt.want)
			if sent := len(f.requests(tokenPath)) > 0; sent != (tt.want == "") {
				t.Errorf("the code was sent: %v", sent)
			}
		})
	}
}

// TestResponseISS tests RFC 9207. The errors in it are of another kind if iss is not checked.
func TestResponseISS(t *testing.T) {
	const refused = "misconfigured at response"
	announced := metadata("authorization_response_iss_parameter_supported", true)
	tests := []struct {
		name     string
		setup    func(*fakeProvider)
		response upstream.Response
		iss      func(*fakeProvider) string
		want     string
	}{
		{"not announced, absent", unchanged, upstream.Response{Code: code}, noISS, ""},
		{"not announced, right", unchanged, upstream.Response{Code: code}, itsISS, ""},
		{"not announced, wrong", unchanged, upstream.Response{Code: code}, anotherISS, refused},
		{"announced, absent", announced, upstream.Response{Code: code}, noISS, refused},
		{"announced, right", announced, upstream.Response{Code: code}, itsISS, ""},
		{"announced, wrong", announced, upstream.Response{Code: code}, anotherISS, refused},
		{"announced, a slash more", announced, upstream.Response{Code: code}, slashISS, refused},
		{"announced as false, absent", metadata("authorization_response_iss_parameter_supported", false),
			upstream.Response{Code: code}, noISS, ""},
		{"an error, not announced, wrong", unchanged, upstream.Response{Error: "server_error"}, anotherISS, refused},
		{"an error, announced, absent", announced, upstream.Response{Error: "disallowed_useragent"}, noISS, refused},
		{"an error, announced, wrong", announced, upstream.Response{Error: "temporarily_unavailable"}, anotherISS, refused},
		{"an error, announced, right", announced, upstream.Response{Error: "server_error"}, itsISS,
			"out of reach at response"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.setup, receives(tt.response))
			f.response.ISS = tt.iss(f)
			_, err := f.identify(t)
			wantKind(t, err, tt.want)
			if sent := len(f.requests(tokenPath)) > 0; sent != (tt.want == "") {
				t.Errorf("the code was sent: %v", sent)
			}
		})
	}
}

func noISS(*fakeProvider) string      { return "" }
func itsISS(f *fakeProvider) string   { return f.issuer }
func slashISS(f *fakeProvider) string { return f.issuer + "/" }
func anotherISS(*fakeProvider) string { return "https://other.example.com" }
