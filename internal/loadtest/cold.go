package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"alexa-oidc-bridge/bridge/sqlstore"
)

// coldMemory is the least that a bridge can have for answers: so little that links in turn are always read from the store.
const coldMemory = "1MiB"

// coldLinks is how many links are looked up from the store, in turn: many times more than there is memory for.
func (s *setting) coldLinks() int { return min(20_000, s.options.working, s.links) }

// bareLookUp is a bare server that asks the store before it answers, and does nothing else.
const bareLookUp = "bare, and the store's own Lookup"

// measureCold asks in turns a bridge whose memory is too small for what it is asked for, a bare server that asks the store, and
// the store alone.
func (s *setting) measureCold(ctx context.Context) error {
	cold, bare, err := s.startCold(ctx)
	if err != nil {
		return err
	}
	before, err := cold.at.count(ctx)
	if err != nil {
		return err
	}
	alone := s.readsAlone()
	if err := s.coldTurns(ctx, cold, bare, alone); err != nil {
		return err
	}
	after, err := cold.at.count(ctx)
	if err != nil {
		return err
	}
	if err := checkCold(cold, after.since(before, countReads)); err != nil {
		return err
	}
	if s.store == sqlstore.SQLite { // PostgreSQL's CPU time is not that of who asks it
		if alone[0].shifts, err = s.compareInShifts(ctx, s.askingAlone(alone[0]), s.asking(cold)); err != nil {
			return err
		}
	}
	compared := slices.Insert(alone, 0, &aside{what: bare.what, rounds: bare.rounds})
	s.add(cold.what, cold.rounds, compared...)
	for _, reads := range compared {
		s.add(reads.what, reads.rounds)
	}
	return nil
}

// startCold starts both servers. Each is asked for every link once, so that neither has yet to find the pages of its file.
func (s *setting) startCold(ctx context.Context) (cold, bare *turn, err error) {
	bridge, err := s.startBridge(bridgeTask{database: s.database.Options, issuer: seededIssuer, memory: coldMemory})
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkLookups(ctx, bridge, 0, s.coldLinks()); err != nil {
		return nil, nil, err
	}
	bareAt, err := s.startBareLookUp(ctx, bridge)
	if err != nil {
		return nil, nil, err
	}
	bodies, err := s.writeBodies("cold", s.coldLinks(), accessToken)
	return &turn{what: "lookup, cold", at: bridge, load: s.lookupLoad(bodies)},
		&turn{what: bareLookUp, at: bareAt, load: s.lookupLoad(bodies)}, err
}

func (s *setting) startBareLookUp(ctx context.Context, bridge *target) (*target, error) {
	sample, err := s.oneAnswer(bridge, 0)
	if err != nil {
		return nil, err
	}
	bare, err := s.startBare("bare", bareTask{Answer: sample, Timeouts: true, Database: &s.database.Options})
	if err != nil {
		return nil, err
	}
	refused := func(_ int, r reply) bool { return r.status == http.StatusInternalServerError }
	if err := s.checkTokens(ctx, bare, 1, unknownToken, refused); err != nil {
		return nil, fmt.Errorf("a bare server that is to ask the store: %w", err)
	}
	always := func(_ int, r reply) bool { return string(r.body) == string(sample.Body) }
	return bare, s.checkTokens(ctx, bare, s.coldLinks(), accessToken, always)
}

// readsAlone are those that cold lookups are compared with. Of many callers at once the store's own Lookup reads some by one
// query; it has one to itself for a single caller, and the plain SELECT for each.
func (s *setting) readsAlone() []*aside {
	task := aloneTask{Database: s.database.Options, Tokens: s.coldLinks(), Pace: pace{Duration: s.options.duration}}
	var alone []*aside
	for _, reads := range []struct {
		what    string
		callers int
	}{{aloneLookUp, 1}, {aloneLookUp, s.options.connections}, {aloneSelect, s.options.connections}} {
		task.What, task.Pace.Callers = reads.what, reads.callers
		alone = append(alone, &aside{what: byCallers(reads.what, reads.callers), task: task})
	}
	return alone
}

func (s *setting) coldTurns(ctx context.Context, cold, bare *turn, alone []*aside) error {
	for range s.options.rounds {
		if err := s.askEach(ctx, cold, bare); err != nil {
			return err
		}
		if err := s.askAside(ctx, alone...); err != nil {
			return err
		}
	}
	return nil
}

// checkCold sees that answers came from the store, but for the few that are there when a round begins with them.
func checkCold(cold *turn, reads int) error {
	if _, answered := requestsOf(cold); reads < answered*9/10 {
		return fmt.Errorf("of %d lookups that were to be cold only %d were read from the store; raise -working or -links", answered, reads)
	}
	return nil
}
