package main

import (
	"context"
	"fmt"
)

// turn is one of several loads that are put on servers in turns, and what came of it.
type turn struct {
	what   string
	at     *target
	load   load
	rounds []round
	shifts []float64 // the bare server's cost as a part of its own, in shifts; empty: not measured
}

// inTurns asks in turns, so that whatever else the machine does hits all alike.
func (s *setting) inTurns(ctx context.Context, turns ...*turn) error {
	for i := range s.options.rounds {
		fmt.Fprintf(s.log, "round %d\n", i+1)
		if err := s.askEach(ctx, turns...); err != nil {
			return err
		}
	}
	return nil
}

// askEach asks for one round of each.
func (s *setting) askEach(ctx context.Context, turns ...*turn) error {
	for _, t := range turns {
		if err := s.appendRound(&t.rounds, t.what, func() (round, error) { return s.ask(ctx, t.at, t.load) }); err != nil {
			return err
		}
	}
	return nil
}

// measureHot asks in turns a bare server, and a bridge for links that it has in memory and then for tokens that nobody has.
func (s *setting) measureHot(ctx context.Context) error {
	bridge, err := s.startBridge(bridgeTask{database: s.database.Options, issuer: seededIssuer})
	if err != nil {
		return err
	}
	if err := s.checkLookups(ctx, bridge, 0, s.inUse); err != nil {
		return err
	}
	bare, plain, err := s.startBares(bridge)
	if err != nil {
		return err
	}
	hot, unknown, malformed, err := s.lookupTurns(bridge)
	if err != nil {
		return err
	}
	before, err := s.checkInactive(ctx, bridge)
	if err != nil {
		return err
	}
	if err := s.inTurns(ctx, bare, hot, plain, unknown, malformed); err != nil {
		return err
	}
	after, err := bridge.count(ctx)
	if err != nil {
		return err
	}
	if err := s.checkCounts(after, before, hot, unknown, malformed); err != nil {
		return err
	}
	if hot.shifts, err = s.compareInShifts(ctx, s.asking(bare), s.asking(hot)); err != nil {
		return err
	}
	defer func() { s.bare = nil }()
	s.addTurns(bare, hot, plain, unknown, malformed)
	if s.options.profile != "" {
		return s.takeProfile(ctx, bridge, hot.load)
	}
	return s.measureMixed(ctx, bridge)
}

// addTurns adds a row for each of the turns, compared with the first, which is a bare server.
func (s *setting) addTurns(bare *turn, turns ...*turn) {
	s.add(bare.what, bare.rounds)
	s.bare = bare.rounds
	for _, t := range turns {
		s.add(t.what, t.rounds)
		s.rows[len(s.rows)-1].shifts = t.shifts
	}
}

func (s *setting) startBares(bridge *target) (bare, plain *turn, err error) {
	sample, err := s.oneAnswer(bridge, 0)
	if err != nil {
		return nil, nil, err
	}
	bodies, err := s.writeBodies("bare", s.inUse, accessToken)
	if err != nil {
		return nil, nil, err
	}
	bareAt, err := s.startBare("bare", bareTask{Answer: sample, Timeouts: true})
	if err != nil {
		return nil, nil, err
	}
	plainAt, err := s.startBare("plain", bareTask{Answer: sample})
	return &turn{what: "bare", at: bareAt, load: s.lookupLoad(bodies)},
		&turn{what: "bare, no timeouts", at: plainAt, load: s.lookupLoad(bodies)}, err
}

func (s *setting) lookupTurns(bridge *target) (hot, unknown, malformed *turn, err error) {
	for _, one := range []struct {
		into  **turn
		what  string
		count int
		token func(int) string
	}{
		{&hot, "lookup, hot", s.inUse, accessToken},
		{&unknown, "lookup, unknown", s.inUse, unknownToken},
		{&malformed, "lookup, malformed", s.inUse, malformedToken},
	} {
		bodies, err := s.writeBodies(one.what, one.count, one.token)
		if err != nil {
			return nil, nil, nil, err
		}
		*one.into = &turn{what: one.what, at: bridge, load: s.lookupLoad(bodies)}
	}
	return hot, unknown, malformed, nil
}

// checkInactive reads some answers about tokens that nobody has, and returns what was counted after that.
func (s *setting) checkInactive(ctx context.Context, bridge *target) (counts, error) {
	const some = 100
	before, err := bridge.count(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range []struct {
		what  string
		token func(int) string
		reads int
	}{{"malformed", malformedToken, 0}, {"unknown", unknownToken, some}} {
		if err := s.checkTokens(ctx, bridge, some, one.token, isInactive); err != nil {
			return nil, fmt.Errorf("%s tokens: %w", one.what, err)
		}
		after, err := bridge.count(ctx)
		if err != nil {
			return nil, err
		}
		if reads := after.since(before, countReads); reads != one.reads {
			return nil, fmt.Errorf("%d %s tokens cost %d reads, want %d", some, one.what, reads, one.reads)
		}
		before = after
	}
	return before, nil
}

// checkCounts compares what the bridge counted with what was asked. When its time is over, wrk leaves requests behind that it
// does not count.
func (s *setting) checkCounts(after, before counts, hot, unknown, malformed *turn) error {
	leftBehind := len(hot.rounds) * s.options.connections
	active, inactive := after.since(before, countActive), after.since(before, countInactive)
	if asked, answered := requestsOf(hot); active < answered || active > asked+leftBehind {
		return fmt.Errorf("%d links were looked up, the bridge counted %d", asked, active)
	}
	unknownAsked, unknownAnswered := requestsOf(unknown)
	malformedAsked, malformedAnswered := requestsOf(malformed)
	asked := unknownAsked + malformedAsked
	if inactive < unknownAnswered+malformedAnswered || inactive > asked+2*leftBehind {
		return fmt.Errorf("%d tokens that nobody has were looked up, the bridge counted %d", asked, inactive)
	}
	// A bridge that could not follow the ends of links for a while, as on a machine that does too much else, asks the store.
	reads := after.since(before, countReads)
	if reads < unknownAnswered || reads > unknownAsked+2*leftBehind+active/10 {
		return fmt.Errorf("%d unknown tokens and %d links in memory cost %d reads; if the links do not fit, raise -memory or lower -working",
			unknownAsked, active, reads)
	}
	if fromStore := reads - unknownAsked - leftBehind; fromStore > active/1000 {
		s.remark("%s, hot lookups: %d of %d were read from the store", s, fromStore, active)
	}
	return nil
}

// requestsOf is how many requests a turn made in all, and how many were answered in time.
func requestsOf(t *turn) (asked, answered int) {
	for _, r := range t.rounds {
		asked, answered = asked+r.Requests, answered+r.Requests-r.Faults
	}
	return asked, answered
}
