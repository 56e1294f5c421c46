package main

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// eras counts the backups that were put in place: an even number, or an odd one while that is being done.
type eras struct {
	mu       sync.Mutex
	count    int
	restores []span
}

func (e *eras) turn() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count%2 == 0 {
		e.restores = append(e.restores, span{from: time.Now()})
	} else {
		e.restores[len(e.restores)-1].to = time.Now()
	}
	e.count++
}

func (e *eras) now() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

// blurred says whether a lookup of that time may be answered as before a backup was put in place or as after it.
func (e *eras) blurred(sent time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count == 0 {
		return false
	}
	last := e.restores[len(e.restores)-1]
	return e.count%2 == 1 || sent.Before(last.to.Add(time.Second))
}

// answer is what came of a request.
type answer struct {
	at         *replica
	by         *life
	era        int
	sent, came time.Time
	status     int // 0: none came
	body       []byte
}

// certain says whether the answer says what happened.
func (a *answer) certain() bool { return a.status != 0 && a.status != http.StatusServiceUnavailable }

// post asks a replica as a client that has a few seconds.
func (o *ordeal) post(r *replica, path, id, secret string, form url.Values) *answer {
	a := &answer{at: r, by: r.now.Load(), era: o.eras.now(), sent: time.Now()}
	defer func() { a.came = time.Now() }()
	request, err := http.NewRequest(http.MethodPost, r.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		o.violation(nil, "%v", err)
		return a
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	response, err := r.lookups.Do(request)
	if err != nil {
		o.counts.add("requests: " + path + ": no answer")
		return a
	}
	defer response.Body.Close()
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return a
	}
	a.status = response.StatusCode
	o.counts.add("requests: " + path + ": " + response.Status)
	if !slices.Contains([]int{200, 400, 503}, a.status) {
		o.violation(nil, "%s of %v answered %d: %s", path, r, a.status, a.body)
	}
	if a.status == 503 && r.calm(a.sent.Add(-time.Second), time.Now()) {
		o.counts.add("requests: " + path + ": 503 though nothing was disturbed")
	}
	if a.status == 503 && response.Header.Get("Retry-After") == "" {
		o.violation(nil, "%s of %v answered 503 without Retry-After", path, r)
	}
	return a
}

// same says whether no backup was put in place since the request was sent.
func (o *ordeal) same(a *answer) bool { return o.eras.now() == a.era && a.era%2 == 0 }
