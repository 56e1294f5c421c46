package server_test

import (
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// The store has only hashes of tokens, and sealed identities while consent is pending. Neither it nor the metrics
// contain a secret; testbridge checks the log.
func TestSecrets(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	phone.Trace = func(exchange simulator.Exchange) {
		for _, name := range []string{"code", "state", "nonce", "token", "id"} {
			b.KeepSecret(exchange.URL.Query().Get(name), exchange.Form.Get(name))
		}
	}
	request := b.Request()
	consent := b.SignIn(phone, request, testbridge.Ada())
	for _, cookie := range phone.Client.Jar.Cookies(mustParse(b.Origin)) {
		b.KeepSecret(cookie.Value)
	}
	pending := readDatabase(b)
	b.CheckSecrets("the database with a pending consent", pending)
	if strings.Contains(pending, testbridge.Ada().Email) {
		t.Error("the database contains the e-mail address while consent is pending")
	}
	token := b.WantToken(request, b.Decide(phone, consent, "link"))
	b.WantActive(token)
	linked := readDatabase(b)
	b.CheckSecrets("the database", linked)
	b.CheckSecrets("the metrics", b.Metrics())
	if !strings.Contains(linked, string(bridge.HashOf(token))) {
		t.Error("the database does not contain the hash of the token: this test reads the wrong file")
	}
}

func TestCodeSecrets(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	code := b.Code(challengeQuery())
	b.RestartWithNewKey() // a code and a token survive it
	tokens := b.WantTokens(b.Exchange(code, "code_verifier", pkceVerifier))
	b.RestartWithNewKey()
	b.WantActive(tokens.AccessToken)
	b.CheckSecrets("the database", readDatabase(b))
	b.CheckSecrets("the metrics", b.Metrics())
}
