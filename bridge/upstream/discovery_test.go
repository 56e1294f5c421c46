package upstream_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/upstream"
)

func TestNew(t *testing.T) {
	f := newFake(t)
	p := f.provider()
	if len(f.requests(discoveryPath)) != 0 {
		t.Error("the provider was asked before anybody needed it")
	}
	if p.ID() != "corp" || p.Issuer() != f.issuer || p.RefusesEmbeddedBrowsers() {
		t.Errorf("ID %q, issuer %q, refuses embedded browsers: %v", p.ID(), p.Issuer(), p.RefusesEmbeddedBrowsers())
	}
	if p.SubjectClaim() != "sub" || p.GroupsClaim() != "groups" {
		t.Errorf("subject from %q, groups from %q", p.SubjectClaim(), p.GroupsClaim())
	}
	p = newFake(t, subjectIn("oid"), groupsIn("realm_access", "roles")).provider()
	if p.SubjectClaim() != "oid" || p.GroupsClaim() != "realm_access.roles" {
		t.Errorf("subject from %q, groups from %q", p.SubjectClaim(), p.GroupsClaim())
	}
	google := upstream.New(upstream.Config{Issuer: "https://accounts.google.com"}, now)
	if !google.RefusesEmbeddedBrowsers() {
		t.Error("Google is not known to refuse embedded browsers")
	}
}

func TestDiscoverChecks(t *testing.T) {
	const down = "misconfigured at discovery"
	tests := []signIn{
		{"as it should be", unchanged, ""},
		{"the issuer of another", metadata("issuer", "http://other.example.com"), down},
		{"the issuer with a slash more", func(f *fakeProvider) { f.metadata["issuer"] = f.issuer + "/" }, down},
		{"no issuer", notAnnounced("issuer"), down},
		{"not found", override(discoveryPath, http.NotFound), down},
		{"not JSON", override(discoveryPath, reply(http.StatusOK, []byte("<html>"))), down},
		{"a list in place of an object", override(discoveryPath, reply(http.StatusOK, []byte("[]"))), down},
		{"an endpoint that is no text", metadata("jwks_uri", 1), down},
		{"no authorization_endpoint", notAnnounced("authorization_endpoint"), down},
		{"no token_endpoint", notAnnounced("token_endpoint"), down},
		{"no jwks_uri", notAnnounced("jwks_uri"), down},
		{"no userinfo_endpoint", notAnnounced("userinfo_endpoint"), ""},
		{"an endpoint without a host", metadata("token_endpoint", "http:///token"), down},
		{"an endpoint that is a path", metadata("token_endpoint", "/token"), down},
		{"an endpoint with a fragment", func(f *fakeProvider) {
			f.metadata["authorization_endpoint"] = f.issuer + "/authorize#top"
		}, down},
		{"an endpoint that is a script", metadata("authorization_endpoint", "javascript://x/%0aalert(1)"), down},
		{"an https endpoint of an http issuer", metadata("userinfo_endpoint", "https://other.example.com/"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantKind(t, newFake(t, tt.setup).provider().Discover(t.Context()), tt.want)
		})
	}
}

func TestDiscoverIssuerWithSlash(t *testing.T) {
	f := newFake(t, func(f *fakeProvider) {
		f.issuer += "/"
		f.metadata["issuer"] = f.issuer
		f.claims["iss"] = f.issuer
	})
	identity, err := f.identify(t)
	wantKind(t, err, "")
	if identity.Issuer != f.issuer {
		t.Errorf("issuer %q, want %q", identity.Issuer, f.issuer)
	}
}

func TestDiscoverRefusesPlainHTTP(t *testing.T) {
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"} {
		t.Run(name, func(t *testing.T) {
			f := newTLSFake(t, func(f *fakeProvider) {
				f.metadata[name] = strings.Replace(f.metadata[name].(string), "https://", "http://", 1)
			})
			wantKind(t, f.trusting(t).provider().Discover(t.Context()), "misconfigured at discovery")
		})
	}
}

// clock is a clock that a test advances.
type clock struct {
	mu     sync.Mutex
	passed time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now().Add(c.passed)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += d
}

func TestDiscoveryIsRetried(t *testing.T) {
	f := newFake(t, override(discoveryPath, cut))
	clock := &clock{}
	p := upstream.New(f.config(), clock.now)
	wantKind(t, p.Discover(t.Context()), "out of reach at discovery")
	asked := len(f.requests(discoveryPath))

	f.update(func() { delete(f.override, discoveryPath) })
	clock.pass(2*time.Second - 1)
	wantKind(t, p.Discover(t.Context()), "out of reach at discovery")
	if got := len(f.requests(discoveryPath)); got != asked {
		t.Errorf("asked %d times within two seconds, want %d", got, asked)
	}

	clock.pass(1)
	wantKind(t, p.Discover(t.Context()), "")
	_, err := f.identifyAt(t, p)
	wantKind(t, err, "")
	if got := len(f.requests(discoveryPath)); got != asked+1 {
		t.Errorf("asked %d times, want %d: what is known is not asked again", got, asked+1)
	}
}

// atOnce calls from many goroutines and waits for them. The started group is done when all are about to call.
func atOnce(started *sync.WaitGroup, call func()) {
	const callers = 32
	var group sync.WaitGroup
	started.Add(callers)
	for range callers {
		group.Go(func() {
			started.Done()
			call()
		})
	}
	group.Wait()
}

func TestDiscoveryIsShared(t *testing.T) {
	tests := []struct {
		name   string
		answer func(f *fakeProvider) http.HandlerFunc
		want   string
	}{
		{"that succeeds", func(f *fakeProvider) http.HandlerFunc { return f.respond }, ""},
		{"that fails", func(*fakeProvider) http.HandlerFunc { return cut }, "out of reach at discovery"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var started sync.WaitGroup
			f := newFake(t)
			f.override[discoveryPath] = func(w http.ResponseWriter, r *http.Request) {
				started.Wait()
				tt.answer(f)(w, r)
			}
			p := f.provider()
			atOnce(&started, func() {
				if got := kind(p.Discover(t.Context())); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
			if got := len(f.requests(discoveryPath)); got != 1 {
				t.Errorf("%d discoveries for all callers, want 1", got)
			}
		})
	}
}

func TestDiscoverOutlivesItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := newFake(t).provider()
	if err := p.Discover(ctx); err != nil {
		t.Errorf("discovery, which serves everybody, ended with the request that asked: %v", err)
	}
}

func TestRediscover(t *testing.T) {
	f := newFake(t)
	p := f.provider()
	wantKind(t, rediscover(t, p), "")

	f.update(func() { f.override[discoveryPath] = reply(http.StatusServiceUnavailable, []byte("down")) })
	wantKind(t, rediscover(t, p), "out of reach at discovery")
	asked := len(f.requests(discoveryPath))
	if _, err := f.identifyAt(t, p); err != nil {
		t.Errorf("what was known is lost: %v", err)
	}
	if got := len(f.requests(discoveryPath)); got != asked {
		t.Errorf("asked %d times, want %d", got, asked)
	}

	f.update(func() {
		delete(f.override, discoveryPath)
		f.metadata["authorization_endpoint"] = f.issuer + "/moved"
	})
	wantKind(t, rediscover(t, p), "")
	target, err := p.AuthorizationURL(t.Context(), login(), upstream.PromptDefault)
	if err != nil || !strings.HasPrefix(target, f.issuer+"/moved?") {
		t.Errorf("the endpoint that moved is not the one used (%v)", err)
	}
}

// TestRediscoverDoesNotBlock signs a person in during a slow discovery.
func TestRediscoverDoesNotBlock(t *testing.T) {
	f := newFake(t)
	p := f.provider()
	wantKind(t, p.Discover(t.Context()), "")
	asked, over, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	f.update(func() {
		f.override[discoveryPath] = func(http.ResponseWriter, *http.Request) {
			close(asked)
			<-over
		}
	})
	go func() {
		defer close(ended)
		p.Rediscover(t.Context())
	}()
	defer func() {
		close(over)
		<-ended
	}()
	<-asked

	signedIn := make(chan error, 1)
	go func() {
		_, err := f.identifyAt(t, p)
		signedIn <- err
	}()
	select {
	case err := <-signedIn:
		wantKind(t, err, "")
	case <-time.After(5 * time.Second): // half of the timeout of the discovery
		t.Error("the sign-in waits for the discovery")
	}
}

func TestConcurrentUse(t *testing.T) {
	f := newFake(t)
	p := f.provider()
	var started sync.WaitGroup
	atOnce(&started, func() {
		if err := rediscover(t, p); err != nil {
			t.Error(err)
		}
		if _, err := p.AuthorizationURL(t.Context(), login(), upstream.PromptAccount); err != nil {
			t.Error(err)
		}
		if _, err := f.identifyAt(t, p, "email"); err != nil {
			t.Error(err)
		}
	})
}
