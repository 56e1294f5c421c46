package storetest

import (
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// origin is a request that an event came with.
var origin = bridge.Origin{Ref: "K7QF2M9D", Address: "198.51.100.7"}

// from is a change to a link: it was made by the request of origin.
func from(n *bridge.NewLink) { n.Origin = origin }

// records returns the audit records that match a filter, without their ids.
func (s *suite) records(filter bridge.AuditFilter) []bridge.AuditRecord {
	s.Helper()
	records, err := s.store.Audit(s.Context(), filter)
	s.must(err)
	for i, record := range records {
		if record.ID == "" || i > 0 && record.ID == records[i-1].ID {
			s.Errorf("the id is %q", record.ID)
		}
		records[i].ID = ""
	}
	return records
}

// wantRecords verifies which audit records match a filter.
func (s *suite) wantRecords(what string, filter bridge.AuditFilter, want ...bridge.AuditRecord) {
	s.Helper()
	if got := s.records(filter); !slices.Equal(got, want) {
		s.Errorf("%s: %d records\n%+v\nwant %d\n%+v", what, len(got), got, len(want), want)
	}
}

// recordOf returns a record about a link now.
func (s *suite) recordOf(link bridge.Link, event bridge.AuditEvent, reason bridge.Reason, by bridge.Actor,
) bridge.AuditRecord {
	return bridge.AuditRecord{At: s.now, Event: event, Reason: reason, Actor: by, ClientID: link.ClientID,
		Provider: link.Provider.ID, LinkID: link.ID, Subject: link.Subject}
}

// tick lets a second pass, so that the next record is later than those before.
func (s *suite) tick() { s.now = s.now.Add(time.Second) }

// withOrigin returns a record that came with the request of origin.
func withOrigin(record bridge.AuditRecord) bridge.AuditRecord {
	record.Origin = origin
	return record
}

// auditEvents lets every event happen that the store itself records.
func (s *suite) auditEvents() {
	implicit := s.link(from)
	want := withOrigin(s.recordOf(implicit.Link, bridge.AuditLinked, "", bridge.ActorPerson))
	s.wantRecords("linked", bridge.AuditFilter{LinkID: implicit.Link.ID}, want)

	code := s.link(withCode, from)
	linked := withOrigin(s.recordOf(code.Link, bridge.AuditLinked, "", bridge.ActorPerson))
	s.tick()
	redemption := bridge.Redemption{Code: code.Code.Hash, ClientID: "pizza", CodeChallenge: "challenge",
		Tokens: s.newTokens(), Now: s.now, Permits: honourAll, Origin: origin}
	link, err := s.store.Redeem(s.Context(), redemption)
	s.must(err)
	redeemed := withOrigin(s.recordOf(link, bridge.AuditRedeemed, "", "skill:pizza"))
	s.now = s.now.Add(time.Hour)
	redemption.Now = s.now
	s.wantError(s.redeem(redemption), bridge.ErrReplayed)
	s.wantError(s.redeem(redemption), bridge.ErrReplayed) // which ends nothing more
	s.wantRecords("a code", bridge.AuditFilter{LinkID: link.ID}, linked, redeemed,
		withOrigin(s.recordOf(link, bridge.AuditReplayed, bridge.ReasonCodeReplayed, "skill:pizza")))

	by := s.by(bridge.ReasonClient)
	by.Origin = origin
	s.must(errOf(s.store.RevokeByToken(s.Context(), implicit.Token, []string{"pizza"}, by)))
	s.wantError(errOf(s.store.RevokeByToken(s.Context(), implicit.Token, []string{"pizza"}, by)), bridge.ErrNotFound)
	s.wantRecords("by a token", bridge.AuditFilter{LinkID: implicit.Link.ID}, want,
		withOrigin(s.recordOf(implicit.Link, bridge.AuditRevoked, bridge.ReasonClient, by.Actor)))

	skill := &bridge.Skill{ClientID: "pizza", Provider: "corp", Grants: []bridge.Grant{bridge.GrantImplicit}}
	made, _ := bridge.NewTestLink(skill, "test-ada", nil, "command:ada@host", s.now, time.Hour)
	s.must(s.store.Mint(s.Context(), made))
	s.now = s.now.Add(time.Hour)
	s.must(errOf(s.store.Sweep(s.Context(), bridge.Sweep{Now: s.now, Limit: 100})))
	minted := s.recordOf(made.Link, bridge.AuditMinted, "", "command:ada@host")
	minted.At = made.Link.CreatedAt
	s.wantRecords("a test link", bridge.AuditFilter{LinkID: made.Link.ID}, minted,
		s.recordOf(made.Link, bridge.AuditRevoked, bridge.ReasonExpired, bridge.ActorSystem))
}

// auditRevocations revokes links for every reason that has an event of its own, and by links of the same person.
func (s *suite) auditRevocations() {
	for reason, event := range map[bridge.Reason]bridge.AuditEvent{
		bridge.ReasonOperator: bridge.AuditRevoked, "left the company": bridge.AuditRevoked,
		bridge.ReasonAccountGone: bridge.AuditRevoked, bridge.ReasonAccountRevoked: bridge.AuditRevoked,
		bridge.ReasonLoggedOut: bridge.AuditLoggedOut, bridge.ReasonDeprovisioned: bridge.AuditDeprovisioned,
		bridge.ReasonSkillDisabled: bridge.AuditRevoked,
		bridge.ReasonUnlinked:      bridge.AuditUnlinked, bridge.ReasonRefreshReplayed: bridge.AuditReplayed,
	} {
		made := s.link()
		linked := s.recordOf(made.Link, bridge.AuditLinked, "", bridge.ActorPerson)
		s.tick()
		by := bridge.Revocation{Reason: reason, Actor: "provider:corp", At: s.now, Origin: origin}
		filter := bridge.LinkFilter{IDs: []string{made.Link.ID}}
		s.must(errOf(s.store.Revoke(s.Context(), filter, by)))
		s.must(errOf(s.store.Revoke(s.Context(), filter, by))) // which ends nothing more
		s.wantRecords(string(reason), bridge.AuditFilter{LinkID: made.Link.ID}, linked,
			withOrigin(s.recordOf(made.Link, event, reason, "provider:corp")))
	}

	oldest := s.link(ofOnePerson, func(n *bridge.NewLink) { n.Link.CreatedAt = s.now.Add(-time.Hour) })
	newest := s.link(ofOnePerson, from, func(n *bridge.NewLink) { n.MaxLinks = 1 })
	s.wantRecords("by a newer link", bridge.AuditFilter{Ref: origin.Ref, Subject: onePerson},
		withOrigin(s.recordOf(newest.Link, bridge.AuditLinked, "", bridge.ActorPerson)),
		withOrigin(s.recordOf(oldest.Link, bridge.AuditRevoked, bridge.ReasonReplaced, bridge.ActorPerson)))

	redemption := s.newCode()
	s.tick()
	redemption.Now = s.now
	grant, err := s.store.Redeem(s.Context(), redemption)
	s.must(err)
	linked := s.recordOf(grant, bridge.AuditLinked, "", bridge.ActorPerson)
	redeemed := s.recordOf(grant, bridge.AuditRedeemed, "", "skill:pizza")
	linked.At = grant.CreatedAt
	s.tick()
	child := s.mustRefresh(redemption.Tokens.Refresh)
	grandchild := s.mustRefresh(child.Refresh)
	s.must(s.refresh(grandchild.Refresh, stable))
	s.wantError(s.refresh(redemption.Tokens.Refresh, func(r *bridge.Refresh) { r.Origin = origin }), bridge.ErrReplayed)
	s.wantRecords("refreshes and a replay", bridge.AuditFilter{LinkID: grant.ID}, linked, redeemed,
		withOrigin(s.recordOf(grant, bridge.AuditReplayed, bridge.ReasonRefreshReplayed, "skill:pizza")))
}

// auditFailures lets transitions fail, which record nothing.
func (s *suite) auditFailures() {
	handle := s.createPending()
	s.must(s.store.Decide(s.Context(), handle, bridge.DecisionCancel, s.now))
	s.wantDecided(s.store.Link(s.Context(), handle, s.newLink()), bridge.DecisionCancel)
	s.mustRevokeBy(bridge.LinkFilter{Subject: onePerson}, s.now)
	s.wantError(s.store.Link(s.Context(), s.createPending(), s.signIn(0)), bridge.ErrSignInRevoked)
	s.wantError(s.redeem(bridge.Redemption{Code: "unknown", Now: s.now}), bridge.ErrNotFound)
	s.wantForgotten(bridge.LinkFilter{IDs: []string{"lnk_unknown"}}, nil, nil)
	s.wantRecords("nothing happened", bridge.AuditFilter{})

	s.tick() // after the revocation of sign-ins
	redemption, link := s.mustRedeem()
	again := redemption
	again.Now = s.now.Add(bridge.CodeReplayGrace)
	s.wantError(s.redeem(again), bridge.ErrReplayed)
	shared := account(bridge.Account{Email: "team@contoso.com"})
	s.link(shared)
	s.link(shared)
	filter := bridge.LinkFilter{Account: bridge.Account{Email: "team@contoso.com"}, OnePerson: true}
	s.wantError(errOf(s.store.Revoke(s.Context(), filter, s.by(bridge.ReasonAccountRevoked))), bridge.ErrAmbiguous)
	for _, record := range s.records(bridge.AuditFilter{}) {
		if record.Event != bridge.AuditLinked && record != s.recordOf(link, bridge.AuditRedeemed, "", "skill:pizza") {
			s.Errorf("recorded: %+v", record)
		}
	}
}

// auditFilters verifies each filter, and that the newest records are kept within a limit.
func (s *suite) auditFilters() {
	var all []bridge.AuditRecord
	for i := range 6 {
		record := bridge.AuditRecord{At: s.now.Add(time.Duration(i) * time.Hour), Event: bridge.AuditRefused,
			Reason: "groups", Actor: bridge.ActorPerson, ClientID: "pizza", Provider: "corp", LinkID: "lnk_a", Subject: "ada",
			Origin: origin}
		switch i {
		case 0:
			record.Event, record.LinkID = bridge.AuditRechecked, ""
		case 1:
			record.ClientID, record.Ref = "lights", ""
		case 2:
			record.Provider, record.Subject = "other", ""
		}
		all = append(all, record)
	}
	for _, i := range []int{3, 0, 5, 1, 2, 4} { // in any order
		s.must(s.store.Record(s.Context(), all[i]))
	}
	for name, tt := range map[string]struct {
		filter bridge.AuditFilter
		want   []bridge.AuditRecord
	}{
		"all":              {bridge.AuditFilter{}, all},
		"link":             {bridge.AuditFilter{LinkID: "lnk_a"}, all[1:]},
		"skill":            {bridge.AuditFilter{ClientID: "lights"}, all[1:2]},
		"ref":              {bridge.AuditFilter{Ref: origin.Ref}, slices.Concat(all[:1], all[2:])},
		"provider":         {bridge.AuditFilter{Provider: "other"}, all[2:3]},
		"subject":          {bridge.AuditFilter{Subject: "ada"}, slices.Concat(all[:2], all[3:])},
		"event":            {bridge.AuditFilter{Event: bridge.AuditRechecked}, all[:1]},
		"since":            {bridge.AuditFilter{Since: all[4].At}, all[4:]},
		"until":            {bridge.AuditFilter{Until: all[4].At}, all[:4]},
		"until a far time": {bridge.AuditFilter{Until: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)}, all},
		"since a far time": {bridge.AuditFilter{Since: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)}, nil},
		"several": {bridge.AuditFilter{Ref: origin.Ref, Subject: "ada", Since: all[1].At, Until: all[5].At},
			all[3:5]},
		"limit": {bridge.AuditFilter{Limit: 2}, all[4:]},
		"none":  {bridge.AuditFilter{LinkID: "lnk_a", Event: bridge.AuditMinted}, nil},
	} {
		s.wantRecords(name, tt.filter, tt.want...)
	}
	var read []bridge.AuditRecord
	for before, pages := "", 0; pages < 3; pages++ { // of which the last is empty
		page, err := s.store.Audit(s.Context(), bridge.AuditFilter{Limit: 4, Before: before})
		s.must(err)
		if len(page) > 0 {
			read, before = slices.Concat(page, read), page[0].ID
		}
	}
	for i := range read {
		read[i].ID = ""
	}
	if !slices.Equal(read, all) {
		s.Errorf("read in pages: %+v", read)
	}
}

// auditMany revokes more links at once than one statement inserts records, which keep the order of the revocation.
func (s *suite) auditMany() {
	const n = 203
	for range n {
		s.link(ofOnePerson)
	}
	revoked, err := s.store.Revoke(s.Context(), bridge.LinkFilter{ClientID: "pizza"}, s.by(bridge.ReasonOperator))
	s.must(err)
	records := s.records(bridge.AuditFilter{Event: bridge.AuditRevoked})
	if len(records) != n || len(revoked) != n {
		s.Fatalf("%d records of %d links, want %d", len(records), len(revoked), n)
	}
	for i, record := range records {
		if want := s.recordOf(revoked[i], bridge.AuditRevoked, bridge.ReasonOperator, "command:ada@host"); record != want {
			s.Fatalf("record %d is %+v, want %+v", i, record, want)
		}
	}
}
