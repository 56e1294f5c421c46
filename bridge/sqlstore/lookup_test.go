package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alexa-oidc-bridge/bridge"
)

// granted puts links into a store, and returns their ids by the hashes of their access tokens.
func granted(t *testing.T, store *Store, links int) map[string]string {
	f := &furnished{T: t, store: store, now: begin}
	ids := map[string]string{}
	for i := range links {
		name := fmt.Sprint("shared ", i)
		f.grant(name)
		ids[string(bridge.HashOf(name+" access"))] = "lnk_" + name
	}
	return ids
}

func numberWaiting(l *lookups) int {
	l.sharing.mu.Lock()
	defer l.sharing.mu.Unlock()
	return l.sharing.waiting.Len()
}

// wantAnswer checks what was found against the link that there should be, or none.
func wantAnswer(t *testing.T, found bridge.AccessToken, err error, id string) {
	t.Helper()
	switch {
	case id == "" && !errors.Is(err, sql.ErrNoRows):
		t.Errorf("what is no access token was found: %v, %v", found.Link.ID, err)
	case id != "" && (err != nil || found.Link.ID != id || found.Link.Subject == "" || found.IssuedAt.IsZero() || found.ExpiresAt.IsZero()):
		t.Errorf("for %s %+v was found: %v", id, found, err)
	}
}

// Those that ask at the same time are answered by one query, each what they asked for.
func TestLookUpsShareAQuery(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(t *testing.T) *Store) {
		store := empty(t)
		ids := granted(t, store, maxShared)
		l := store.open.Load().lookups
		var waiting []*asked[lookup]
		for i := range maxShared + 2 {
			waiting = append(waiting, l.sharing.join(lookup{token: string(bridge.HashOf(fmt.Sprintf("shared %d access", i%(maxShared-3))))}))
		}
		waiting[3].question.token = string(bridge.HashOf("unknown"))
		waiting[4].question.token = string(bridge.HashOf("shared 4 refresh"))
		waiting[5].question.token = ""
		l.sharing.leave(waiting[6])
		l.sharing.turns <- struct{}{}
		if !l.sharing.lead(t.Context(), waiting[maxShared]) {
			t.Fatal("nothing was read")
		}
		for i, a := range waiting {
			if read := isClosed(a.done); read != (i != 6 && i <= maxShared) {
				t.Errorf("%d was answered: %v", i, read)
			} else if read {
				wantAnswer(t, a.question.found, a.err, ids[a.question.token])
			}
		}
		l.sharing.turns <- struct{}{}
		if l.sharing.lead(t.Context(), waiting[0]) || isClosed(waiting[maxShared+1].done) || len(l.sharing.turns) > 0 {
			t.Error("one who has an answer led again, or kept the turn")
		}
		l.sharing.turns <- struct{}{}
		if !l.sharing.lead(t.Context(), waiting[maxShared+1]) || numberWaiting(l) > 0 {
			t.Error("the last was not read")
		}
		wantAnswer(t, waiting[maxShared+1].question.found, waiting[maxShared+1].err, ids[waiting[maxShared+1].question.token])
	})
}

// Whatever comes together, everybody gets their own answer.
func TestManyLookUpsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(t *testing.T) *Store) {
		store := empty(t)
		ids := granted(t, store, 40)
		var callers sync.WaitGroup
		for caller := range 100 {
			callers.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(caller)))
				for range 30 {
					token := bridge.HashOf(fmt.Sprintf("shared %d access", random.IntN(50)))
					found, err := store.Lookup(t.Context(), token)
					if errors.Is(err, bridge.ErrNotFound) {
						err = sql.ErrNoRows
					}
					wantAnswer(t, found, err, ids[string(token)])
				}
			})
		}
		callers.Wait()
		if l := store.open.Load().lookups; numberWaiting(l)+len(l.sharing.turns) > 0 {
			t.Errorf("%d wait still and %d turns are taken", numberWaiting(l), len(l.sharing.turns))
		}
	})
}

// together lets callers ask for these tokens at once, so that they share queries. It returns what each got.
func together(t *testing.T, store *Store, hashes []string) []reading {
	l, got := store.open.Load().lookups, make([]reading, len(hashes))
	for range cap(l.sharing.turns) {
		l.sharing.turns <- struct{}{}
	}
	var callers sync.WaitGroup
	for i, hash := range hashes {
		callers.Go(func() { got[i].token, got[i].err = l.find(t.Context(), hash) })
		for numberWaiting(l) <= i {
			runtime.Gosched()
		}
	}
	for range cap(l.sharing.turns) {
		l.sharing.turns.giveBack()
	}
	callers.Wait()
	if numberWaiting(l)+len(l.sharing.turns) > 0 {
		t.Errorf("%d wait still and %d turns are taken", numberWaiting(l), len(l.sharing.turns))
	}
	return got
}

// reading is what a caller got.
type reading struct {
	token bridge.AccessToken
	err   error
}

// Who is being read by another one waits for that, even if there are turns to have.
func TestLookUpWaitsForWhoLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLookups(nil, 1)
		l.sharing.turns <- struct{}{}
		got := make(chan error)
		go func() {
			_, err := l.find(t.Context(), "token")
			got <- err
		}()
		synctest.Wait()
		group := l.sharing.take(l.sharing.waiting.Front().Value.(*asked[lookup]))
		l.sharing.turns.giveBack()
		synctest.Wait() // never returns if it tries again and again
		group[0].err = sql.ErrNoRows
		close(group[0].done)
		if err := <-got; !errors.Is(err, sql.ErrNoRows) || len(l.sharing.turns) > 0 {
			t.Errorf("got %v, and %d turns are taken", err, len(l.sharing.turns))
		}
	})
}

// Who has waited for too long gives up and is not read any more.
func TestLookUpGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLookups(nil, 1)
		l.sharing.turns <- struct{}{}
		patient, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		impatient, hangUp := context.WithCancel(t.Context())
		gaveUp := make(chan error, 2)
		for _, ctx := range []context.Context{patient, impatient} {
			go func() {
				_, err := l.find(ctx, "token")
				gaveUp <- err
			}()
			synctest.Wait()
		}
		hangUp()
		synctest.Wait()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) || numberWaiting(l) != 1 {
			t.Errorf("who hung up got %v, and %d wait", err, numberWaiting(l))
		}
		if err := <-gaveUp; !errors.Is(err, context.DeadlineExceeded) || numberWaiting(l) != 0 {
			t.Errorf("who waited got %v, and %d wait", err, numberWaiting(l))
		}
		l.sharing.turns.giveBack()
		for range 20 { // so often that it is not by chance
			if _, err := l.find(impatient, "token"); !errors.Is(err, context.Canceled) || numberWaiting(l) != 0 {
				t.Fatalf("a caller that is gone got %v", err)
			}
		}
	})
}
