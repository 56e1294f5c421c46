package introspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/answercache"
	"alexa-oidc-bridge/bridge/internal/endpoint"
)

// What is taken for a plain token has the same meaning when it is parsed as a form.
func FuzzPlainToken(f *testing.F) {
	token := bridge.NewRandomToken(bridge.AccessTokenKind)
	for _, body := range []string{"token=" + token, "token=" + token + "&token=x", "token=%61" + token[1:],
		"token=" + token + "+", "a=b&token=" + token, "token=" + token + ";x", "token=",
		"token=" + token[:20] + "=" + token[21:], token, ""} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		token, ok := plainToken(body)
		if !ok {
			return
		}
		form, err := url.ParseQuery(string(body))
		want := url.Values{"token": {string(token)}}
		if err != nil || !reflect.DeepEqual(form, want) || !bridge.AccessTokenKind.WellFormed(string(token)) {
			t.Errorf("%q: %v, %v", body, form, err)
		}
	})
}

// stoppingStore revokes a link while the server stops.
type stoppingStore struct {
	bridge.Store
	stop  func()
	reads int
}

func (s *stoppingStore) WaitForEvents(context.Context) { s.stop() }

func (s *stoppingStore) ReadFeed(context.Context, bridge.Position) (bridge.Feed, error) {
	s.reads++
	feed := bridge.Feed{Position: bridge.Position{Epoch: "epoch", Count: int64(s.reads)}}
	if s.reads == 2 {
		feed.Events = []bridge.Event{{LinkID: "lnk_last", ClientID: "pizza"}}
	}
	return feed, nil
}

// The log has what was revoked until a server stops.
func TestFeedAtTheEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var log bytes.Buffer
	deps := endpoint.Deps{Store: &stoppingStore{stop: stop}, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now}
	cache, err := answercache.New(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if err := newFeedReader(Deps{Deps: deps}, cache).run(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), `msg="link revoked" link_id=lnk_last`) {
		t.Errorf("log: %s", log.String())
	}
}

// retiringStore says when the feed is waited for, and when it was read twice.
type retiringStore struct {
	stoppingStore
	second chan struct{} // closed by the second read
}

func (s *retiringStore) OnRevoke(func([]bridge.Event)) (unregister func()) { return func() {} }

func (s *retiringStore) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	feed, err := s.stoppingStore.ReadFeed(ctx, after)
	if s.reads == 2 {
		close(s.second)
	}
	return feed, err
}

// A server in whose place another one is reads the feed once more, and then no more, so that the log has each
// revocation once.
func TestRetiredReadsOnce(t *testing.T) {
	waiting, retired := make(chan struct{}), make(chan struct{})
	store := &retiringStore{second: make(chan struct{})}
	store.stop = func() {
		waiting <- struct{}{}
		<-retired
	}
	registry := prometheus.NewRegistry()
	h, err := New(Deps{Deps: endpoint.Deps{
		Store: store, Log: slog.New(slog.DiscardHandler), Now: time.Now, Counters: registry, Registry: registry,
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	<-waiting
	h.Retire()
	close(retired)
	<-store.second
	stop()
	select {
	case <-waiting:
		t.Error("a server that is retired waits for revocations")
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	}
}

// touchStore is a store that only records last uses, and fails at first.
type touchStore struct {
	bridge.Store
	fails   bool
	calls   int
	touched int
}

func (s *touchStore) TouchLinks(_ context.Context, uses []bridge.Use) error {
	s.calls++
	if s.fails {
		return errors.New("disk on fire")
	}
	s.touched += len(uses)
	return nil
}

// Uses that cannot be written cause one call and one log line, however many they are, and are written later.
func TestLastUsedDuringOutage(t *testing.T) {
	const links = 3*touchBatch + 1
	var log bytes.Buffer
	store := &touchStore{fails: true}
	uses := newLastUsed(endpoint.Deps{Store: store, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range links {
		uses.add(bridge.Use{LinkID: fmt.Sprint(i), At: time.Now()})
	}
	uses.write(t.Context())
	if lines := strings.Count(log.String(), "\n"); lines != 1 || store.calls != 1 {
		t.Errorf("%d log lines, %d calls, want 1 and 1", lines, store.calls)
	}
	store.fails = false
	uses.write(t.Context())
	if store.touched != links {
		t.Errorf("%d uses written, want %d", store.touched, links)
	}
}

// A use keeps since when its Alexa user uses the link, also if it could not be written at first.
func TestLastUsedKeepsTie(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	use := func(user bridge.Hash, after time.Duration) bridge.Use {
		at := begin.Add(after)
		return bridge.Use{LinkID: "lnk_a", At: at, AlexaUser: user, TiedAt: at}
	}
	for name, test := range map[string]struct {
		uses     []bridge.Use // after one by ada
		user     bridge.Hash  // wanted
		tied, at time.Duration
	}{
		"nobody":  {[]bridge.Use{use("", time.Second)}, "ada", 0, time.Second},
		"again":   {[]bridge.Use{use("", time.Second), use("ada", 2*time.Second)}, "ada", 0, 2 * time.Second},
		"another": {[]bridge.Use{use("grace", time.Second), use("", 2*time.Second)}, "grace", time.Second, 2 * time.Second},
	} {
		for _, fails := range []bool{false, true} {
			uses := newLastUsed(endpoint.Deps{})
			uses.add(use("ada", 0))
			taken := uses.take()
			if !fails {
				uses.putBack(taken)
			}
			for _, use := range test.uses {
				uses.add(use)
			}
			if fails {
				uses.putBack(taken)
			}
			want := bridge.Use{LinkID: "lnk_a", At: begin.Add(test.at), AlexaUser: test.user, TiedAt: begin.Add(test.tied)}
			if got := uses.take(); len(got) != 1 || got[0] != want {
				t.Errorf("%s, failed first %v: %+v, want %+v", name, fails, got, want)
			}
		}
	}
}
