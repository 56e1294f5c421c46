package main

import (
	"context"
	"fmt"
)

// coldMemory is the least that a bridge can have for answers: so little that links in turn are always read from the store.
const coldMemory = "1MiB"

// coldLinks is how many links are looked up from the store, in turn: many times more than there is memory for.
func (s *setting) coldLinks() int { return min(20_000, s.options.working, s.links) }

// measureCold asks in turns a bridge whose memory is too small for what it is asked for, and the store alone. Both have been
// asked for every link once before that, so that neither has yet to find the pages of its file.
func (s *setting) measureCold(ctx context.Context) error {
	bridge, err := s.startBridge(bridgeTask{database: s.database.Options, issuer: seededIssuer, memory: coldMemory})
	if err != nil {
		return err
	}
	if err := s.checkLookups(ctx, bridge, 0, s.coldLinks()); err != nil {
		return err
	}
	bodies, err := s.writeBodies("cold", s.coldLinks(), accessToken)
	if err != nil {
		return err
	}
	before, err := bridge.count(ctx)
	if err != nil {
		return err
	}
	cold := &turn{what: "lookup, cold", at: bridge, load: s.lookupLoad(bodies)}
	alone := s.readsAlone()
	if err := s.coldTurns(ctx, cold, alone); err != nil {
		return err
	}
	after, err := bridge.count(ctx)
	if err != nil {
		return err
	}
	if err := checkCold(cold, after.since(before, countReads)); err != nil {
		return err
	}
	s.add(cold.what, cold.rounds, alone...)
	for _, reads := range alone {
		s.add(reads.what, reads.rounds)
	}
	return nil
}

// readsAlone are those that cold lookups are compared with. Of many callers at once the store's own LookUp reads some by one
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

func (s *setting) coldTurns(ctx context.Context, cold *turn, alone []*aside) error {
	for range s.options.rounds {
		if err := s.appendRound(&cold.rounds, cold.what, func() (round, error) { return s.ask(ctx, cold.at, cold.load) }); err != nil {
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
