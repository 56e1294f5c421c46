package storetest

import (
	"fmt"
	"time"

	"alexa-oidc-bridge/bridge"
)

// auditForgotten forgets a link by its id, and a person by the subject.
func (s *suite) auditForgotten() {
	ofAda := func(n *bridge.NewLink) { n.Link.Subject, n.Origin = "ada", origin }
	gone, kept, code := s.link(ofAda), s.link(ofAda), s.link(withCode, ofAda)
	linked := func(made bridge.NewLink) bridge.AuditRecord {
		record := withOrigin(s.recordOf(made.Link, bridge.AuditLinked, "", bridge.ActorPerson))
		record.At = made.Link.CreatedAt
		return record
	}
	s.tick()
	redemption := bridge.Redemption{Code: code.Code.Hash, ClientID: "pizza", CodeChallenge: "challenge",
		Tokens: s.newTokens(), Now: s.now, Permits: honourAll, Origin: origin}
	s.must(s.redeem(redemption))
	redeemed := withOrigin(s.recordOf(code.Link, bridge.AuditRedeemed, "", "skill:pizza"))
	refused := bridge.AuditRecord{At: s.now, Event: bridge.AuditRefused, Reason: "groups", Actor: bridge.ActorPerson,
		ClientID: "pizza", Provider: "corp", Subject: "ada", Origin: origin}
	ofBob, elsewhere := refused, refused
	ofBob.Subject, elsewhere.Provider = "bob", "other"
	for _, record := range []bridge.AuditRecord{refused, ofBob, elsewhere} {
		s.must(s.store.Record(s.Context(), record))
	}
	withoutLink := bridge.AuditFilter{Event: bridge.AuditRefused, Subject: "ada", Provider: "corp"}

	s.tick()
	s.wantForgotten(bridge.LinkFilter{IDs: []string{gone.Link.ID}}, []string{gone.Link.ID}, []string{gone.Link.ID})
	s.wantForgottenRecords("forgotten by id", gone, linked(gone))
	s.wantRecords("another link", bridge.AuditFilter{LinkID: kept.Link.ID}, linked(kept))
	s.wantRecords("without a link", withoutLink, refused)
	s.wantForgotten(bridge.LinkFilter{Subject: "ada", ClientID: "lights"}, nil, nil)
	s.wantRecords("of another skill", bridge.AuditFilter{LinkID: kept.Link.ID}, linked(kept))
	s.wantRecords("of another skill, without a link", withoutLink, refused)

	s.tick()
	s.mustRevoke(code.Link.ID) // so that forgetting it revokes nothing
	filter := bridge.LinkFilter{Subject: "ada", Provider: "corp"}
	s.must(errOf(s.store.Forget(s.Context(), filter, s.by(bridge.ReasonOperator))))
	s.wantRecords("forgotten by subject", bridge.AuditFilter{Subject: "ada"}, elsewhere)
	s.wantForgottenRecords("its live link", kept, linked(kept))
	s.wantForgottenRecords("its revoked link", code, linked(code), redeemed)
	s.wantRecords("somebody else", bridge.AuditFilter{Subject: "bob"}, ofBob)
}

// wantForgottenRecords verifies the records of a link that was forgotten now: those from before, and that of the
// revocation, all without the person, and that it was forgotten.
func (s *suite) wantForgottenRecords(what string, made bridge.NewLink, before ...bridge.AuditRecord) {
	s.Helper()
	for i := range before {
		if before[i].Subject = ""; before[i].Actor == bridge.ActorPerson {
			before[i].Address = ""
		}
	}
	made.Link.Subject = ""
	s.wantRecords(what, bridge.AuditFilter{LinkID: made.Link.ID}, append(before,
		s.recordOf(made.Link, bridge.AuditRevoked, bridge.ReasonOperator, "command:ada@host"),
		s.recordOf(made.Link, bridge.AuditForgotten, bridge.ReasonOperator, "command:ada@host"))...)
}

// auditOfErased forgets a person whose link the sweep has erased, and leaves a live link of theirs alone.
func (s *suite) auditOfErased() {
	ofAda := func(n *bridge.NewLink) { n.Link.Subject = "ada" }
	swept := s.link(ofAda)
	s.mustRevoke(swept.Link.ID)
	sweep := bridge.Sweep{Now: s.now.Add(time.Hour), Limit: 100, EndedRetention: time.Hour}
	s.must(errOf(s.store.Sweep(s.Context(), sweep)))
	live := s.link(ofAda, func(n *bridge.NewLink) { n.Link.Grant = bridge.GrantAuthorizationCode })
	if n := len(s.records(bridge.AuditFilter{LinkID: swept.Link.ID, Subject: "ada"})); n != 2 {
		s.Errorf("the sweep left %d records of the subject, want 2", n)
	}
	s.wantForgotten(bridge.LinkFilter{Subject: "ada", Grant: bridge.GrantImplicit}, nil, nil)
	s.wantRecords("of the subject", bridge.AuditFilter{Subject: "ada"},
		s.recordOf(live.Link, bridge.AuditLinked, "", bridge.ActorPerson))
	if n := len(s.records(bridge.AuditFilter{LinkID: swept.Link.ID})); n != 2 {
		s.Errorf("%d records of the link, want 2", n)
	}
}

// sweepAudit sweeps records after their retention.
func (s *suite) sweepAudit() {
	for i := range 250 {
		record := bridge.AuditRecord{At: s.now.Add(time.Duration(i) * time.Minute), Event: bridge.AuditRefused,
			Reason: bridge.Reason(fmt.Sprint(i))}
		s.must(s.store.Record(s.Context(), record))
	}
	sweep := func(sweep bridge.Sweep, want, left int) {
		s.Helper()
		n, err := s.store.Sweep(s.Context(), sweep)
		records := s.records(bridge.AuditFilter{})
		if err != nil || n != want || len(records) != left ||
			left > 0 && records[0].Reason != bridge.Reason(fmt.Sprint(250-left)) {
			s.Errorf("removed %d, %v, and left %d; want %d and %d", n, err, len(records), want, left)
		}
	}
	const retention = 24 * time.Hour
	sweep(bridge.Sweep{Now: s.now.Add(1000 * time.Hour), Limit: 1000}, 0, 250)
	sweep(bridge.Sweep{Now: s.now.Add(retention), Limit: 1000, AuditRetention: retention}, 0, 250)
	sweep(bridge.Sweep{Now: s.now.Add(retention + 3*time.Minute), Limit: 1000, AuditRetention: retention}, 3, 247)
	sweep(bridge.Sweep{Now: s.now.Add(2 * retention), Limit: 120, AuditRetention: retention}, 120, 127)
	sweep(bridge.Sweep{Now: s.now.Add(2 * retention), Limit: 1000, AuditRetention: retention}, 127, 0)
}
