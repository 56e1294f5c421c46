package main

import (
	"cmp"
	"context"
	"sync"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
)

const (
	rotationPage    = 500
	rotationWriters = 16 // at once, so that they share commits
	rotationPasses  = 3
)

// rotation seals the refresh tokens of providers by the newest key.
type rotation struct {
	store  bridge.Store
	ring   *keys.Ring
	dryRun bool
}

// rotated counts the tokens that a rotation has met.
type rotated struct {
	resealed      int
	newest        int      // sealed by the newest key before
	older         int      // sealed by an older key still
	unopened      int      // that no key opens
	unopenedLinks []string // some of their links
}

// run reads all tokens until none is left that an older key sealed: one that changed in between is read again, as are
// those that servers have stored meanwhile. It gives up if there are always more.
func (r rotation) run(ctx context.Context) (rotated, error) {
	total, err := r.pass(ctx)
	for range rotationPasses - 1 {
		if err != nil || r.dryRun || total.resealed == 0 && total.older == 0 {
			break
		}
		var again rotated
		again, err = r.pass(ctx)
		total.resealed += again.resealed
		total.older, total.unopened, total.unopenedLinks = again.older+again.resealed, again.unopened, again.unopenedLinks
		if total.older == 0 {
			break
		}
	}
	return total, err
}

// pass reads all tokens once, and seals again what an older key sealed.
func (r rotation) pass(ctx context.Context) (met rotated, err error) {
	after := ""
	for {
		tokens, err := r.store.UpstreamTokens(ctx, after, rotationPage)
		if err != nil || len(tokens) == 0 {
			return met, err
		}
		if err := r.page(ctx, tokens, &met); err != nil {
			return met, err
		}
		after = tokens[len(tokens)-1].LinkID
	}
}

// page seals the tokens of one page, some at once.
func (r rotation) page(ctx context.Context, tokens []bridge.SealedToken, met *rotated) error {
	states, errs := make([]sealState, len(tokens)), make([]error, len(tokens))
	slots := make(chan struct{}, rotationWriters)
	var group sync.WaitGroup
	for i, token := range tokens {
		slots <- struct{}{}
		group.Go(func() {
			states[i], errs[i] = r.reseal(ctx, token)
			<-slots
		})
	}
	group.Wait()
	for i, state := range states {
		met.add(tokens[i].LinkID, state)
	}
	return cmp.Or(errs...)
}

// sealState is how a token was found, or what became of it.
type sealState int

const (
	byNewest sealState = iota
	byOlder
	byNone // of the keys
	resealed
)

func (r rotation) reseal(ctx context.Context, token bridge.SealedToken) (sealState, error) {
	plain, err := r.ring.OpenUpstreamToken(token.LinkID, token.Sealed)
	switch {
	case err != nil:
		return byNone, nil
	case r.ring.SealedByNewest(token.Sealed):
		return byNewest, nil
	case r.dryRun:
		return byOlder, nil
	}
	replaced, err := r.store.ResealUpstreamToken(ctx, token, r.ring.SealUpstreamToken(token.LinkID, plain))
	if err != nil || !replaced {
		return byOlder, err
	}
	return resealed, nil
}

func (met *rotated) add(linkID string, state sealState) {
	switch state {
	case byNewest:
		met.newest++
	case byOlder:
		met.older++
	case resealed:
		met.resealed++
	case byNone:
		met.unopened++
		if len(met.unopenedLinks) < shownLinks {
			met.unopenedLinks = append(met.unopenedLinks, linkID)
		}
	}
}
