package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"alexa-oidc-bridge/bridge/server"
)

// servers serve requests one after the other: the newest takes the new ones, and those before it end what they have
// begun. They share the listeners and the store.
type servers struct {
	newest     atomic.Pointer[runningServer]
	background context.Context // of what runs in the background
	running    sync.WaitGroup
	retiring   sync.WaitGroup // of running, those that were replaced
	failed     chan error     // has the first error of a server that ran
}

// runningServer is a server whose Run has been called.
type runningServer struct {
	*server.Server
	requests sync.RWMutex // each request holds it for reading
	stop     func()       // ends Run
}

// newServers returns no server. When the context ends, so does what they do in the background.
func newServers(background context.Context) *servers {
	return &servers{background: background, failed: make(chan error, 1)}
}

// run runs a server in the background.
func (s *servers) run(added *server.Server) *runningServer {
	background, stop := context.WithCancel(s.background)
	s.running.Go(func() {
		defer stop()
		if err := added.Run(background); err != nil {
			select {
			case s.failed <- err:
			default: // another one has failed in the same way
			}
		}
	})
	return &runningServer{Server: added, stop: stop}
}

// replace lets a server that runs take the new requests. Those that the server before it has begun end there.
func (s *servers) replace(next *runningServer) {
	previous := s.newest.Swap(next)
	if previous == nil {
		return
	}
	previous.Retire()
	s.retiring.Go(func() {
		previous.requests.Lock() // for ever
		previous.Finish(s.background)
		previous.stop()
	})
}

// finish lets all servers end what they do in the background, until the context ends. No other one may be run
// meanwhile.
func (s *servers) finish(ctx context.Context) {
	s.newest.Load().Finish(ctx)
	finished := make(chan struct{})
	go func() {
		s.retiring.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-ctx.Done():
	}
}

// handler passes each request to a handler of the newest server.
func (s *servers) handler(of func(*server.Server) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		current := s.newest.Load()
		for !current.requests.TryRLock() { // it was replaced meanwhile
			current = s.newest.Load()
		}
		defer current.requests.RUnlock()
		of(current.Server).ServeHTTP(w, r)
	})
}
