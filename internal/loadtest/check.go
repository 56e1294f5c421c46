package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"sync"

	"alexa-oidc-bridge/bridge/lookup"
)

// lookupLoad is a load of lookups by the backend.
func (b *bench) lookupLoad(bodies string) load {
	return load{Path: "/lookup", User: backendID, Secret: b.secrets.backend, Bodies: bodies,
		Connections: b.options.connections, Duration: b.options.duration}
}

// triesOfCheck bounds how often a lookup is tried that the bridge could not answer in time, on a machine that does too much else.
const triesOfCheck = 5

// checkTokens looks each of some tokens up once and reads the answers.
func (b *bench) checkTokens(ctx context.Context, at *target, count int, token func(i int) string, good func(i int, r reply) bool) error {
	left := make([]int, count)
	for i := range left {
		left[i] = i
	}
	for range triesOfCheck {
		again, err := b.checkOnce(ctx, at, left, token, good)
		if err != nil || len(again) == 0 {
			return err
		}
		left = again
	}
	return fmt.Errorf("%d of %d lookups were answered with status 503 again and again", len(left), count)
}

// checkOnce returns which tokens must be looked up again.
func (b *bench) checkOnce(ctx context.Context, at *target, left []int, token func(i int) string, good func(i int, r reply) bool) (again []int, err error) {
	l := b.lookupLoad("")
	l.Address, l.Once = at.address, true
	requests := make([][]byte, len(left))
	for n, i := range left {
		requests[n] = l.request([]byte("token=" + token(i)))
	}
	var mu sync.Mutex
	made, err := askAll(ctx, l, requests, func(n int, r reply) bool {
		if r.status == http.StatusServiceUnavailable {
			mu.Lock()
			defer mu.Unlock()
			again = append(again, left[n])
			return true
		}
		return good(left[n], r)
	})
	if err == nil && made.Faults > 0 {
		err = fmt.Errorf("%d of %d lookups were not answered as they should", made.Faults, made.Requests)
	}
	return again, err
}

// checkLookups looks up each of the links with the numbers from first.
func (b *bench) checkLookups(ctx context.Context, at *target, first, count int) error {
	return b.checkTokens(ctx, at, count, func(i int) string { return accessToken(first + i) },
		func(i int, r reply) bool { return isAnswer(r, first+i) })
}

// isAnswer says whether a reply tells of the link with a number.
func isAnswer(r reply, i int) bool {
	var told lookup.Answer
	err := json.Unmarshal(r.body, &told)
	return err == nil && told.Active && told.LinkID == linkID(i) && told.ClientID == skillClientID &&
		told.UpstreamISS == seededIssuer && told.Claims["name"] != nil
}

func isInactive(_ int, r reply) bool { return string(r.body) == `{"active":false}` }

// oneAnswer asks for one link and keeps the answer.
func (b *bench) oneAnswer(at *target, number int) (answer, error) {
	l := b.lookupLoad("")
	l.Address = at.address
	connections, err := connect(l.Address, 1)
	if err != nil {
		return answer{}, err
	}
	defer hangUp(connections)
	r, err := connections[0].ask(l.request([]byte("token=" + accessToken(number))))
	if err != nil {
		return answer{}, err
	}
	_, fields, _ := bytes.Cut(r.head, []byte("\r\n"))
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(fields))).ReadMIMEHeader()
	return answer{Header: http.Header(header), Body: bytes.Clone(r.body)}, err
}
