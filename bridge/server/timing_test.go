//go:build strict

package server_test

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// timedPair are two kinds of requests that must take the same time. Each function makes a new request of its kind. The
// texts of both kinds resemble each other to the same degree: those of one share bytes with a decoy, those of the other
// with what is secret.
type timedPair struct {
	name       string
	one, other func() *http.Request
}

// BenchmarkSecretTiming measures whether a response's time tells how much of a secret, a token or a client id is right.
// Both kinds of a pair are called in random order, without a network. t is Welch's statistic of the times without the
// slowest tenth: above 4.5 and growing with the number of measurements, the times differ (see dudect,
// https://eprint.iacr.org/2016/1123). Take 100,000 or more on a quiet machine: docs/security.md has the command.
func BenchmarkSecretTiming(b *testing.B) {
	tb := startForBenchmark(b)
	tb.Config.Skills[1].Secrets = []bridge.Secret{bridge.NewSecret(testbridge.LightsSecret)}
	tb.Restart()
	live := createLinks(tb, 1)[0]
	tb.RunBackground()
	benchmarkResponse(tb, live) // from now on in the cache
	for _, pair := range timedPairs(tb, live) {
		b.Run(pair.name, func(b *testing.B) { compareTimes(b, tb.Server.Public, pair) })
	}
}

func timedPairs(b *testBridge, live string) []timedPair {
	var pairs []timedPair
	add := func(name string, one, other func() *http.Request) { pairs = append(pairs, timedPair{name, one, other}) }
	post := func(path, id string, secret func() string, form url.Values) func() *http.Request {
		return func() *http.Request {
			request := b.NewRequest(http.MethodPost, path, form)
			request.SetBasicAuth(id, secret())
			return request
		}
	}
	refresh := url.Values{"grant_type": {"refresh_token"},
		"refresh_token": {bridge.NewRandomToken(bridge.RefreshTokenKind)}}
	lookup := url.Values{"token": {live}}
	for _, party := range []struct {
		path, id, secret string
		form             url.Values
	}{
		{"/lookup", testbridge.BackendID, testbridge.BackendSecret, lookup},
		{"/token", "lights", testbridge.LightsSecret, refresh},
		{"/revoke", testbridge.BackendID, testbridge.BackendSecret, lookup},
	} {
		name, decoy := party.path[1:], sharing(party.secret, 0)()
		wrong := post(party.path, party.id, sharing(decoy, 0), party.form)
		add(name+": the same", wrong, wrong)
		add(name+": unknown id", wrong, post(party.path, strings.Repeat("x", len(party.id)), sharing(decoy, 0), party.form))
		for degree, shared := range map[string]int{"half": len(decoy) / 2, "all but one": len(decoy) - 1} {
			add(name+": "+degree, post(party.path, party.id, sharing(decoy, shared), party.form),
				post(party.path, party.id, sharing(party.secret, shared), party.form))
		}
	}
	prefix := len(bridge.AccessTokenKind)
	bearer := func(seed string, shared int) func() *http.Request {
		token := sharing(seed, shared)
		return func() *http.Request {
			request := b.NewRequest(http.MethodGet, "/userinfo", nil)
			request.Header.Set("Authorization", "Bearer "+live[:prefix]+token())
			return request
		}
	}
	seed, decoy := live[prefix:], sharing(live[prefix:], 0)()
	for degree, shared := range map[string]int{"half": len(seed) / 2, "all but one": len(seed) - 1} {
		add("userinfo: "+degree, bearer(decoy, shared), bearer(seed, shared))
	}
	return pairs
}

// sharing returns a function that returns one of 32 texts as long as the one given, which share only so many leading
// bytes with it.
func sharing(text string, shared int) func() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789-_"
	var texts []string
	for len(texts) < 32 {
		made := []byte(text)
		for i := shared; i < len(made); i++ {
			for made[i] == text[i] {
				made[i] = alphabet[rand.IntN(len(alphabet))]
			}
		}
		if !slices.Contains(texts, string(made)) {
			texts = append(texts, string(made))
		}
	}
	return func() string { return texts[rand.IntN(len(texts))] }
}

// compareTimes measures b.N requests, and reports the median times of both kinds and the statistic. The requests are
// canceled from the beginning, so that none waits for its turn among the rejections of a flood.
func compareTimes(b *testing.B, handler http.Handler, pair timedPair) {
	canceled, cancel := context.WithCancel(b.Context())
	cancel()
	kinds := [2]func() *http.Request{pair.one, pair.other}
	for _, request := range kinds {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request().WithContext(canceled))
		if recorder.Code != http.StatusUnauthorized {
			b.Fatalf("status %d: %s", recorder.Code, recorder.Body)
		}
	}
	var times [2][]float64
	w := &discardResponse{header: http.Header{}}
	for range b.N {
		kind := rand.IntN(2)
		request := kinds[kind]().WithContext(canceled)
		clear(w.header)
		start := time.Now()
		handler.ServeHTTP(w, request)
		times[kind] = append(times[kind], float64(time.Since(start)))
	}
	b.ReportMetric(0, "ns/op")
	if len(times[0]) < 2 || len(times[1]) < 2 {
		return
	}
	all := slices.Sorted(slices.Values(slices.Concat(times[0], times[1])))
	slow := all[len(all)*9/10]
	for i, unit := range []string{"ns/one", "ns/other"} {
		slices.Sort(times[i])
		b.ReportMetric(times[i][len(times[i])/2], unit)
		n, _ := slices.BinarySearch(times[i], slow)
		times[i] = times[i][:n]
	}
	b.ReportMetric(welch(times[0], times[1]), "t")
}

// welch returns Welch's t statistic of two samples.
func welch(one, other []float64) float64 {
	mean1, error1 := meanAndError(one)
	mean2, error2 := meanAndError(other)
	return (mean1 - mean2) / math.Sqrt(error1+error2)
}

// meanAndError returns the mean of a sample, and the square of its standard error.
func meanAndError(sample []float64) (mean, squared float64) {
	n := float64(len(sample))
	for _, x := range sample {
		mean += x / n
	}
	for _, x := range sample {
		squared += (x - mean) * (x - mean) / (n - 1) / n
	}
	return mean, squared
}
