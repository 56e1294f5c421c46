package server_test

import (
	"testing"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

func TestLinkAndLookUp(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	request := r.request()

	consent := r.signIn(phone, request, ada)
	r.wantPage(consent, 200, "Ada Lovelace")
	r.wantLinks(0)
	arrived := r.decide(phone, consent, "link")
	token := r.wantToken(request, arrived)
	answer := r.lookUp(token)
	t.Logf("%+v", answer)
	t.Log(arrived.URL)
	t.Log(consent.Body)
}
