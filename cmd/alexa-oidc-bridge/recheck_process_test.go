package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
)

// slowProvider is an OpenID Provider that takes more than a second to answer a refresh token, and replaces it.
type slowProvider struct {
	*httptest.Server
	asked    chan bool // gets one value when a refresh token arrives
	answered chan bool // and one when the answer leaves: whether the bridge has waited
}

func startSlowProvider(t *testing.T) *slowProvider {
	p := &slowProvider{asked: make(chan bool, 100), answered: make(chan bool, 100)}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/token",
			"jwks_uri":"%[1]s/keys"}`, p.URL)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig",
			"x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		p.asked <- true
		select {
		case <-r.Context().Done():
			p.answered <- false
		case <-time.After(1500 * time.Millisecond): // longer than a process that stops waits for its background
			p.answered <- true
			fmt.Fprintf(w, `{"access_token":"a","token_type":"Bearer","refresh_token":"after %s"}`, r.FormValue("refresh_token"))
		}
	})
	return p
}

// startRechecking starts serve, which is asking a slow provider about four of its links when it returns.
func startRechecking(t *testing.T, links []string) (p *slowProvider, s *reloadedServe) {
	t.Helper()
	p = startSlowProvider(t)
	s = &reloadedServe{T: t, database: filepath.Join(t.TempDir(), "bridge.db"), hangups: make(chan os.Signal, 1)}
	s.path = mintConfig(t, sqlstore.SQLite, s.database)
	secret, text := newKey(t)
	_, rest, _ := strings.Cut(mustReadFile(t, s.path), "keys: [")
	key, _, _ := strings.Cut(rest, "]")
	s.edit(key, text, `issuer: "http://127.0.0.1:1", client_id: bridge`,
		fmt.Sprintf(`issuer: %q, client_id: bridge, offline: true`, p.URL))
	emptyDatabase(t, sqlstore.SQLite, s.database)
	addTokensOf(t, s.path, p.URL, secret, links...)
	load := func() (*config.Config, []config.Warning, error) { return config.Load(s.path) }
	s.log, _, s.end = startServeWith(t, s.path, reloading{s.hangups, load, new(slog.LevelVar), reloadTimeout})
	for range 4 {
		<-p.asked
	}
	return p, s
}

// TestReloadLetsRechecksEnd reloads while the provider is asked: each answer has the only refresh token that is good.
func TestReloadLetsRechecksEnd(t *testing.T) {
	t.Parallel()
	p, s := startRechecking(t, linkNames("a", 4))
	s.hangups <- syscall.SIGHUP
	s.log.Wait(t, 0, reloaded)
	p.wantAnswered(t, 4)
	s.stop()
	wantReplaced(t, s.path, 4)
}

// TestStopLetsRechecksEnd stops serve while the provider is asked about some of many links.
func TestStopLetsRechecksEnd(t *testing.T) {
	t.Parallel()
	p, s := startRechecking(t, linkNames("a", 20))
	s.stop()
	p.wantAnswered(t, 4)
	if len(p.asked) > 0 {
		t.Errorf("%d questions were begun after the stop", len(p.asked))
	}
	wantReplaced(t, s.path, 4)
}

// wantAnswered waits for the end of questions, and verifies that none was cut off.
func (p *slowProvider) wantAnswered(t *testing.T, questions int) {
	t.Helper()
	for range questions {
		if !<-p.answered {
			t.Error("a question was cut off")
		}
	}
}

// wantReplaced verifies for how many links a new refresh token is stored, and that the others are as they were.
func wantReplaced(t *testing.T, path string, want int) {
	t.Helper()
	_, ring, err := config.LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	replaced := 0
	withTestStore(t, path, func(store *sqlstore.Store) {
		tokens, err := store.UpstreamTokens(t.Context(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range tokens {
			plain, err := ring.OpenUpstreamToken(token.LinkID, token.Sealed)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(plain.RefreshToken, "after ") {
				replaced++
			}
		}
	})
	if replaced != want {
		t.Errorf("%d new refresh tokens are stored, want %d", replaced, want)
	}
}
