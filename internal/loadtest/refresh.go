package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// manyCallers is how many refresh at once.
const manyCallers = 32

// numberByCode is the number of the nth link by the code grant.
func numberByCode(n int) int { return 2*n + 1 }

// refreshLinks is how many links are refreshed, in turn.
func (s *setting) refreshLinks() int { return min(s.options.working, s.links) / 2 }

// measureRefresh refreshes, each on disk before its answer leaves, in turns with a database that does nothing but insert.
func (s *setting) measureRefresh(ctx context.Context) (err error) {
	defer s.endFrom(len(s.undo), &err)
	database, err := s.copyForWriting()
	if err != nil {
		return err
	}
	bridge, err := s.startBridge(bridgeTask{database: database, issuer: seededIssuer})
	if err != nil {
		return err
	}
	if err := s.checkRefresh(ctx, bridge); err != nil {
		return err
	}
	var one, many []round
	task := aloneTask{Database: database, Links: s.refreshLinks(), Pace: pace{Callers: manyCallers, Duration: s.options.duration}}
	inserts, tiny := &aside{what: byCallers(aloneInsert, manyCallers), task: task}, &aside{what: byCallers(aloneTiny, manyCallers), task: task}
	inserts.task.What, tiny.task.What = aloneInsert, aloneTiny
	for range s.options.rounds {
		for _, callers := range []struct {
			count int
			into  *[]round
		}{{1, &one}, {manyCallers, &many}} {
			if err := s.appendRound(callers.into, byCallers("refresh", callers.count), func() (round, error) { return s.askRefresh(ctx, bridge, callers.count) }); err != nil {
				return err
			}
		}
		if err := s.askAside(ctx, inserts, tiny); err != nil {
			return err
		}
	}
	s.add(byCallers("refresh", 1), one)
	s.add(byCallers("refresh", manyCallers), many, inserts)
	s.add(inserts.what, inserts.rounds)
	s.add(tiny.what, tiny.rounds)
	return nil
}

// byCallers says how many do something at once.
func byCallers(what string, callers int) string {
	if callers == 1 {
		return what + ", 1 caller"
	}
	return fmt.Sprintf("%s, %d callers", what, callers)
}

func (s *setting) appendRound(to *[]round, name string, ask func() (round, error)) error {
	made, err := ask()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.say(name, made)
	*to = append(*to, made)
	return nil
}

func (s *setting) refreshLoad(at *target, callers int) load {
	return load{Address: at.address, Path: "/token", User: skillClientID, Secret: s.secrets.skill, Connections: callers, Duration: s.options.duration}
}

func refreshBody(n int) []byte {
	return []byte("grant_type=refresh_token&refresh_token=" + refreshToken(numberByCode(n)))
}

// askRefresh refreshes for a while. We ask ourselves: wrk could not keep the parts of the answers that are checked.
func (s *setting) askRefresh(ctx context.Context, bridge *target, callers int) (round, error) {
	l := s.refreshLoad(bridge, callers)
	requests := make([][]byte, s.refreshLinks())
	for n := range requests {
		requests[n] = l.request(refreshBody(n))
	}
	return s.withCost(bridge, func() (result, error) {
		return askAll(ctx, l, requests, func(_ int, r reply) bool { return bytes.HasPrefix(r.body, []byte(`{"access_token":"aob_at_`)) })
	})
}

// checkRefresh refreshes some links and looks up what was given out.
func (s *setting) checkRefresh(ctx context.Context, bridge *target) error {
	const some = 50
	l := s.refreshLoad(bridge, 1)
	connections, err := connect(l.Address, 1)
	if err != nil {
		return err
	}
	defer hangUp(connections)
	var given [some]struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
	}
	for n := range given {
		r, err := connections[0].ask(l.request(refreshBody(n)))
		if err != nil {
			return err
		}
		got := &given[n]
		err = json.Unmarshal(r.body, got)
		if err != nil || r.status != 200 || got.Refresh != refreshToken(numberByCode(n)) || got.Type != "Bearer" || got.Expires < 360 {
			return fmt.Errorf("a refresh was answered with status %d, and not as it should", r.status)
		}
	}
	return s.checkTokens(ctx, bridge, some, func(n int) string { return given[n].Access },
		func(n int, r reply) bool { return isAnswer(r, numberByCode(n)) })
}
