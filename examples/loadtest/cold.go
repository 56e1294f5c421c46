package main

import (
	"context"
	"fmt"
	"math"
)

// coldPerSecond is more links than a bridge looks up cold in a second.
const coldPerSecond = 60_000

// coldLinks is how many links are looked up from the store, by a bridge that has just begun.
func (s *setting) coldLinks() int {
	return min(s.links, int(coldPerSecond*math.Ceil(s.options.duration.Seconds())))
}

// measureCold looks links up, each once, by a bridge that has just begun, and in turns with it by the store alone.
func (s *setting) measureCold(ctx context.Context) error {
	bodies, err := s.writeBodies("cold", s.coldLinks(), accessToken)
	if err != nil {
		return err
	}
	var bridge, alone, selects []round
	task := aloneTask{Database: s.database.Options, What: aloneLookUp, Pace: pace{Callers: s.options.connections, Duration: s.options.duration, Count: s.coldLinks()}}
	for range s.options.rounds {
		cold, err := s.askCold(ctx, bodies)
		if err != nil {
			return err
		}
		s.say("lookup, cold", cold)
		bridge = append(bridge, cold)
		for _, what := range []struct {
			name string
			into *[]round
		}{{aloneLookUp, &alone}, {aloneSelect, &selects}} {
			task.What = what.name
			made, err := s.askAlone(ctx, task)
			if err != nil {
				return err
			}
			s.say(what.name, made)
			*what.into = append(*what.into, made)
		}
	}
	s.add("lookup, cold", bridge, alone)
	s.add(aloneLookUp, alone, nil)
	s.add(aloneSelect, selects, nil)
	return nil
}

// askCold asks a fresh bridge for each link once, and checks that each was read from the store.
func (s *setting) askCold(ctx context.Context, bodies string) (r round, err error) {
	defer s.endFrom(len(s.undo), &err)
	bridge, err := s.startBridge(bridgeTask{database: s.database.Options, issuer: seededIssuer})
	if err != nil {
		return round{}, err
	}
	l := s.lookupLoad(bodies)
	l.Once = s.coldLinks() == s.links // they may be looked up before the time is over
	if r, err = s.ask(ctx, bridge, l); err != nil {
		return round{}, err
	}
	counted, err := bridge.count(ctx)
	if err != nil {
		return round{}, err
	}
	reads, active := int(counted[countReads]), int(counted[countActive])
	if answered := r.Requests - r.Faults; reads < answered || reads > s.coldLinks() || active < answered {
		return round{}, fmt.Errorf("%d links were looked up once each, the bridge counted %d, and %d reads", r.Requests, active, reads)
	}
	return r, nil
}
