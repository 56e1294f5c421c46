package logout

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"alexa-oidc-bridge/bridge/internal/oauth"
)

// A body that is accepted names one person, in a way that no other reader of JSON reads otherwise.
func FuzzSubject(f *testing.F) {
	for _, seed := range []string{"", "null", "[]", "{}", `{"sub_id":{"format":"email","email":"ada@contoso.com"}}`,
		`{"subject":{"format":"iss_sub","iss":"https://login.example.com","sub":"a2b4c6"}}`,
		`{"sub_id":{"format":"opaque","id":"x"}}`,
		`{"sub_id":{"format":"email","email":"a"},"sub_id":{"format":"email","email":"b"}}`,
		`{"sub_id":{"format":"email","email":"a","email":"b"}}`, `{"SUB_ID":{"format":"email","email":"a"}}`,
		`{"sub_id":{"format":"email","email":"\ud800"}} `, `{"a":[{"b":1,"b":2}],"sub_id":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		found, err := parseSubject(body)
		if err != nil {
			if e, ok := err.(*oauth.Error); !ok || e.Status() != 400 {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		if (found.email == "") == (found.issuer == "" || found.sub == "") || !utf8.Valid(body) || !json.Valid(body) {
			t.Errorf("%q: %+v", body, found)
		}
	})
}
