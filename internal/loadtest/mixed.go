package main

import "context"

// mixedBodies is how many requests of a mixed load are made for each second.
const mixedBodies = 40_000

// measureMixed asks for links in memory, links that are not, and tokens that nobody has, as a busy bridge is asked.
func (s *setting) measureMixed(ctx context.Context, bridge *target) error {
	before, err := bridge.count(ctx)
	if err != nil {
		return err
	}
	count := int(mixedBodies * s.options.duration.Seconds())
	all := &turn{}
	for i := range s.options.rounds {
		bodies, err := s.writeBodies("mixed", count, func(n int) string { return s.mixedToken(i*count + n) })
		if err != nil {
			return err
		}
		asked, err := s.ask(ctx, bridge, s.lookupLoad(bodies))
		if err != nil {
			return err
		}
		s.say("lookup, mixed", asked)
		all.rounds = append(all.rounds, asked)
	}
	after, err := bridge.count(ctx)
	if err != nil {
		return err
	}
	s.add("lookup, mixed", all.rounds)
	asked, _ := requestsOf(all)
	s.remark("%s, mixed lookups: 90 %% of links in use, 5 %% of others, 4 %% of unknown tokens, 1 %% malformed; %.1f %% were read from the store",
		s, 100*float64(after.since(before, countReads))/float64(asked))
	return nil
}

func (s *setting) mixedToken(n int) string {
	others := s.links - s.inUse
	switch hundred, at := n/100, n%100; {
	case at < 90:
		return accessToken((hundred*90 + at) % s.inUse)
	case at < 95:
		return accessToken(s.inUse + (hundred*5+at-90)%others)
	case at < 99:
		return unknownToken(n)
	}
	return malformedToken(n)
}
