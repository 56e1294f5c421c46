package introspect

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/lookup"
)

// What is written by hand is byte for byte what encoding/json writes of the same answer.
func FuzzAppendAnswer(f *testing.F) {
	for _, text := range []string{"", "Ada Lovelace", `"`, `\`, "<", ">", "&", "Zoë 👩", "\x00\x1f\x7f\x80\xff", "\u2028\ufeff", "\t\r\n"} {
		f.Add(text, text, int64(1700000000), int64(1700003600), "[true, null, 1e400, {\"a\": \"\\u003c\"}]")
		f.Add("plain", text, int64(-1), int64(0), "12345678901234567890")
	}
	f.Add("sub", "text", int64(0), int64(1), "null")
	f.Fuzz(func(t *testing.T, subject, text string, issued, expires int64, value string) {
		var claims bridge.Claims
		if json.Unmarshal([]byte(`{"a_value":`+value+`}`), &claims) != nil {
			claims = bridge.Claims{}
		}
		claims["b_text"], claims["hidden"] = text, "no skill is told"
		names := []string{"a_none", "a_value", "b_text"}
		want := lookup.Answer{Active: true, Issuer: "us " + text, Subject: subject, ClientID: "client " + text, Scope: "scope " + text,
			TokenType: "Bearer", IssuedAt: issued, LinkID: "link " + text, Provider: "provider " + text, UpstreamISS: "issuer " + text,
			Claims: claims.Only(names)}
		token := &bridge.AccessToken{IssuedAt: time.Unix(issued, 0)}
		token.Link = bridge.Link{ID: want.LinkID, ClientID: want.ClientID, Scope: want.Scope}
		token.Link.Identity = bridge.Identity{Provider: bridge.Provider{ID: want.Provider, Issuer: want.UpstreamISS}, Subject: subject, Claims: claims}
		if expires > 0 {
			token.ExpiresAt, want.ExpiresAt = time.Unix(expires, 0), expires
		}
		wanted, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		h := &Handler{config: Config{PublicURL: want.Issuer}}
		got := h.appendAnswer([]byte("before"), token, &bridge.Skill{Claims: names})
		if string(got) != "before"+string(wanted) {
			t.Errorf("%s\nwant %s", got, wanted)
		}
	})
}

// An answer from the store is made in the buffer that is there, and remembered out of it.
func TestAnswerIsMadeInItsBuffer(t *testing.T) {
	m := testMemory(t)
	key := tokenKey{1}
	buffer := append(make([]byte, entryHead, 1<<10), `{"active":true}`...)
	used := m.put(&key, &entry{skill: 7, answer: buffer[entryHead:]}, buffer)
	if &used[0] != &buffer[0] {
		t.Error("the buffer was not used")
	}
	got, ok, _ := m.get(&key, nil)
	if !ok || got.skill != 7 || !bytes.Equal(got.answer, []byte(`{"active":true}`)) {
		t.Errorf("%+v", got)
	}
}
