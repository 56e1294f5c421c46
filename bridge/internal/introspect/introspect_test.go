package introspect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

func newHandler(t *testing.T, config Config, deps Deps) *Handler {
	t.Helper()
	deps.Now, deps.Registry = time.Now, prometheus.NewRegistry()
	h, err := New(config, deps)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func testMemory(t *testing.T) *memory {
	t.Helper()
	m, err := newMemory(0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What the glance takes for a token alone is that to a parser too.
func FuzzPlainToken(f *testing.F) {
	token := bridge.NewRandomToken(bridge.AccessTokenKind)
	for _, body := range []string{"token=" + token, "token=" + token + "&token=x", "token=%61" + token[1:], "token=" + token + "+",
		"a=b&token=" + token, "token=" + token + ";x", "token=", "token=" + token[:20] + "=" + token[21:], token, ""} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		token, plain := plainToken(body)
		if !plain {
			return
		}
		form, err := url.ParseQuery(string(body))
		if want := (url.Values{"token": {string(token)}}); err != nil || !reflect.DeepEqual(form, want) || !bridge.AccessTokenKind.WellFormed(string(token)) {
			t.Errorf("%q: %v, %v", body, form, err)
		}
	})
}

func TestEntryIsKeptWhole(t *testing.T) {
	m := testMemory(t)
	key := tokenKey(sha256.Sum256([]byte("x")))
	want := entry{expires: 1<<40 + 7, lastUsed: 1<<33 + 5, user: 1<<63 + 9, stripe: stripes - 1, skill: 77, answer: []byte(`{"active":true}`)}
	m.put(&key, &want, nil)
	got, ok, _ := m.get(&key, nil)
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	other := tokenKey(sha256.Sum256([]byte("y")))
	if _, ok, _ := m.get(&other, nil); ok {
		t.Error("an entry for another token")
	}
}

// Many read, remember and end at once: what was read before an end is never good after it.
func TestMemoryUnderRaces(t *testing.T) {
	m := testMemory(t)
	const links = 50
	var lives [links]sync.RWMutex // held for writing while a link ends: a store of whole transitions
	var ended [links]bool
	var group sync.WaitGroup
	id := func(i int) string { return fmt.Sprint("lnk_", i) }
	key := func(i int) *tokenKey {
		k := tokenKey(sha256.Sum256([]byte(id(i))))
		return &k
	}
	for range 4 {
		group.Go(func() {
			for i := range links * 200 {
				i %= links
				count := m.count.Load()
				lives[i].RLock()
				live := !ended[i]
				lives[i].RUnlock()
				if live {
					m.put(key(i), &entry{count: count, stripe: m.stripeOf(id(i)), answer: []byte("live")}, nil)
				}
			}
		})
	}
	group.Go(func() {
		for i := range links {
			lives[i].Lock()
			ended[i] = true
			lives[i].Unlock()
			m.end(id(i))
			if _, good, _ := m.get(key(i), nil); good {
				t.Errorf("link %d is in memory after its end", i)
			}
		}
	})
	group.Wait()
	for i := range links {
		if _, good, _ := m.get(key(i), nil); good {
			t.Errorf("link %d came back", i)
		}
	}
}

// A header by which a backend authenticated is known, and nothing else is.
func TestKnownHeaders(t *testing.T) {
	secret := strings.Repeat("s", 32)
	backend := &bridge.Backend{ID: "b", Secrets: []bridge.Secret{bridge.NewSecret(secret)}}
	h := newHandler(t, Config{Backends: map[string]*bridge.Backend{"b": backend}}, Deps{Store: ends{}})
	room := &scratch{}
	ask := func(password string, headers int, body string) (status int) {
		request := httptest.NewRequest(http.MethodPost, "/lookup", nil)
		for range headers {
			request.Header.Add("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("b:"+password)))
		}
		room.body = []byte(body)
		_, status, refused := h.ask(request, room)
		if refused == nil {
			return http.StatusOK
		}
		return status
	}
	token := "token=" + bridge.NewRandomToken(bridge.AccessTokenKind)
	for range 2 { // the second time the header is known
		for _, test := range []struct {
			password string
			headers  int
			body     string
			want     int
		}{
			{secret, 1, token, 200},
			{secret, 1, "token=anything%20else", 200},
			{secret, 1, "token=", 400},
			{secret + "x", 1, token, 401},
			{"", 1, token, 401},
			{secret, 0, token, 401},
			{secret, 2, token, 400},
			{secret, 1, token + "&client_secret=" + secret, 400},
			{secret, 1, token + "&client_id=other", 400},
			{secret, 1, token + "&token=x", 400},
			{secret + "x", 0, token + "&client_id=b&client_secret=" + secret, 200},
		} {
			if got := ask(test.password, test.headers, test.body); got != test.want {
				t.Errorf("%.3s… %d headers, %.60s: status %d, want %d", test.password, test.headers, test.body, got, test.want)
			}
		}
	}
	if known := len(*h.known.askers.Load()); known != 1 {
		t.Errorf("%d headers are known", known)
	}
	for i := range 2 * maxKnown {
		h.known.add([]string{fmt.Sprint(i)}, nil)
	}
	if known := len(*h.known.askers.Load()); known > maxKnown {
		t.Errorf("%d headers are known", known)
	}
}

// ends is a store that is only told of.
type ends struct{ bridge.Store }

func (ends) OnRevoke(func([]string)) {}

// noUses is a store that cannot note uses at first.
type noUses struct {
	ends
	fails bool
	tries int
	noted int
}

func (s *noUses) TouchLinks(_ context.Context, uses []bridge.Use) error {
	s.tries++
	if s.fails {
		return errors.New("disk on fire")
	}
	s.noted += len(uses)
	return nil
}

// Uses that cannot be written are one try and one complaint, however many they are, and are written later.
func TestUsesOutlastAnOutage(t *testing.T) {
	const links = 3*usesAtOnce + 1
	var log bytes.Buffer
	store := &noUses{fails: true}
	h := newHandler(t, Config{}, Deps{Store: store, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range links {
		h.uses.add(bridge.Use{LinkID: fmt.Sprint(i), At: time.Now()})
	}
	h.writeUsesOnce(t.Context())
	if complaints := strings.Count(log.String(), "\n"); complaints != 1 || store.tries != 1 {
		t.Errorf("%d complaints, %d tries", complaints, store.tries)
	}
	store.fails = false
	h.writeUsesOnce(t.Context())
	if store.noted != links {
		t.Errorf("%d uses noted, want %d", store.noted, links)
	}
}

func TestFormBodyIsBounded(t *testing.T) {
	for size, want := range map[int]error{oauth.MaxFormBytes: nil, oauth.MaxFormBytes + 1: oauth.ErrFormTooLarge} {
		for _, length := range []int64{int64(size), -1} {
			request := httptest.NewRequest(http.MethodPost, "/lookup", bytes.NewReader(make([]byte, size)))
			request.ContentLength = length
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			body, err := oauth.ReadFormBody(request, nil)
			if err != want || err == nil && len(body) != size {
				t.Errorf("%d bytes, length %d: %d bytes, %v", size, length, len(body), err)
			}
		}
	}
}
